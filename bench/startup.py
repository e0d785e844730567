"""The processor time until a stage starts its own work, against a bare `import torch`.

    python -m bench.startup [PAIRS]

A stage has started when its imports are done and params.yaml is checked. Each start is followed by
one of the baseline. It prints the median of the stage in processor seconds, which other programs on
the machine lengthen less than those of the clock, and the median of the paired ratios with its 95 %
bootstrap interval.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.paired import shown, typical

STAGES = [p.stem for p in sorted(Path("stages").glob("*.py")) if p.stem != "__init__"]
START = (
    "import stages.{stage}; from pathlib import Path; from pipeline.config.load import load_params;"
    "load_params(Path('params.yaml'))"
)
BASELINE = "import torch"


def seconds(code: str) -> float:
    """Return the processor time from the start of the interpreter until `code` has run."""
    script = f"{code}; import time, sys; sys.stderr.write(str(time.process_time()))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return float(done.stderr.splitlines()[-1])


def main(num_pairs: int) -> None:
    for stage in STAGES:
        code = START.format(stage=stage)
        seconds(code)  # fills the file cache
        pairs = np.array([(seconds(code), seconds(BASELINE)) for _ in range(num_pairs)])
        ratios = pairs[:, 0] / pairs[:, 1]
        print(
            f"{stage:10}  {np.median(pairs[:, 0]):5.2f} s   "
            f"{shown(typical(ratios))} × `{BASELINE}`",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
