"""`convoy sync`: bring MLflow up to date with the artifacts."""

import os

ANSWER_S = "60"  # a command waits longer for a busy server than the mirror of a stage


def sync() -> None:
    """Bring MLflow to the state of the artifacts; safe to repeat."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", ANSWER_S)
    from pipeline.tracking import address
    from pipeline.tracking.mirror import Mirror

    num_runs = Mirror().sync()
    hint = "" if num_runs else "; no results are here: make them by `dvc repro`, or `dvc pull` them"
    print(f"{address.shown()}: {num_runs} runs{hint}")
