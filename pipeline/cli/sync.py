"""`convoy sync`: bring MLflow up to date with the artifacts."""

import os

ANSWER_S = "60"  # a command waits longer for a busy server than the mirror of a stage


def sync() -> None:
    """Bring MLflow to the state of the artifacts; safe to repeat."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", ANSWER_S)
    from pipeline.tracking import address, settled

    found = settled.signature()
    num_runs = settled.num_runs(found)
    if num_runs is None:
        num_runs = _synced(found)
    hint = "" if num_runs else "; no results are here: make them by `dvc repro`, or `dvc pull` them"
    print(f"{address.shown()}: {num_runs} runs{hint}")


def _synced(signature: str) -> int:
    from pipeline.tracking import settled
    from pipeline.tracking.mirror import Mirror

    mirror = Mirror()
    num_runs = mirror.sync()
    if mirror.is_at_rest:
        settled.note(signature, num_runs)
    return num_runs
