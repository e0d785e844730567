"""The whole pipeline with its default parameters, as of a commit and as it is now.

    python -m bench.repro REVISION [PAIRS]

Both are fresh clones for each run, with the same environment, and take turns.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.paired import ratio, shown

ROOT = Path(__file__).parents[1]


def reproduce(revision: str) -> None:
    """Clone the repository at a revision and run `dvc repro` there."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        subprocess.run(["git", "checkout", "--quiet", revision], cwd=folder, check=True)
        command = ["dvc", "repro", "--quiet"]
        subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    revision = sys.argv[1]
    num_pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = ratio(lambda: reproduce("HEAD"), lambda: reproduce(revision), num_pairs)
    print(f"dvc repro, now over {revision}: {shown(found)} of the time, {num_pairs} pairs")


if __name__ == "__main__":
    main()
