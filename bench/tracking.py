"""How long it takes to bring MLflow up to date: from nothing, and with nothing to do.

    python -m bench.tracking [RUNS] [POINTS]

A workspace is reproduced with small members, and its search gets RUNS trials (default: 1,000) of
POINTS metrics each (default: 100). Then `convoy sync` fills an empty database, and is called again.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Workspace, small


def add_trials(runs: Path, num_runs: int, num_points: int) -> None:
    """Replace the trials of a search by many others."""
    described = json.loads((runs / "trial_000/run.json").read_text())
    for folder in runs.glob("trial_*"):
        shutil.rmtree(folder)
    for number in range(num_runs):
        own, folder = f"trial_{number:04d}", runs / f"trial_{number:04d}"
        folder.mkdir()
        prefix = described["fingerprint"].rsplit("/", 1)[0]
        named = {"name": f"search/cnn/{own}", "key": own, "fingerprint": f"{prefix}/{own}"}
        (folder / "run.json").write_text(json.dumps({**described, **named}))
        points = [
            {"name": "val/accuracy", "value": number + step / num_points, "step": step}
            for step in range(num_points)
        ]
        text = "".join(json.dumps(point) + "\n" for point in points)
        (folder / "metrics.jsonl").write_text(text)


def timed_sync(workspace: Workspace) -> float:
    began_s = time.monotonic()
    print(workspace.start("python", "-m", "pipeline", "sync").communicate()[0].strip())
    return time.monotonic() - began_s


def main() -> None:
    num_runs, num_points = (int(given) for given in [*sys.argv[1:], "1000", "100"][:2])
    with tempfile.TemporaryDirectory() as made:
        workspace = Workspace(Path(made) / "work")
        workspace.edit(small)
        workspace.run("make", "repro")
        add_trials(workspace.folder / "artifacts/runs/search/cnn", num_runs, num_points)
        workspace.run("dvc", "commit", "--force", "search@cnn")
        (workspace.folder / "mlflow.db").unlink()
        print(f"an empty database: {timed_sync(workspace):.1f} s")
        print(f"nothing to do: {timed_sync(workspace):.1f} s")


if __name__ == "__main__":
    main()
