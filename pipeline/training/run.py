"""The process of one fit.

    python -m pipeline.training.run JOB

Lightning starts the same command again for each further device of this machine; torchrun and srun
start it for every device. A process that fails leaves a message in the job's folder, where
pipeline.execution.fit_process reads it.
"""

import os
import sys
import time
import traceback
from pathlib import Path

from pipeline.core import process
from pipeline.core.errors import UserError
from pipeline.core.paths import Layout
from pipeline.execution.fit_process import LEFT, Diverged, ExitMessage
from pipeline.execution.job import Job


def main(path: Path) -> None:
    """Run the job that a file describes."""
    process.prepare_fit()
    job = Job.load(path)
    try:
        from pipeline.models import cpu
        from pipeline.training.datamodule import Inputs
        from pipeline.training.fit import fit

        if job.hardware.world == 1:
            cpu.stop_looking_for_gpus()
        fit(job, Inputs.open(Layout(), job.fold))
    except (Exception, SystemExit) as error:
        _tell(error, Path(job.folder))
        if isinstance(error, SystemExit):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # a process that waits for another would not end by itself


def _tell(error: Exception | SystemExit, folder: Path) -> None:
    from pytorch_lightning.utilities import rank_zero_only

    from pipeline.training.attempts import Again

    rank, now_s = rank_zero_only.rank or 0, time.time()  # type: ignore[attr-defined]
    if isinstance(error, SystemExit):
        if error.code == LEFT:  # otherwise another process has reported why
            ExitMessage(now_s, "left").save(folder, rank)
    elif isinstance(error, Again):
        ExitMessage(now_s, "again", str(error)).save(folder, rank)
    elif isinstance(error, Diverged):
        ExitMessage(now_s, "diverged", str(error)).save(folder, rank)
    elif isinstance(error, UserError):
        ExitMessage(now_s, "mistake", str(error)).save(folder, rank)
    else:
        text = f"process {rank} failed: {type(error).__name__}: {error}"
        ExitMessage(now_s, "failure", text, traceback.format_exc()).save(folder, rank)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as mistake:
        sys.exit(str(mistake))
