"""The process of one fit.

    python -m pipeline.training.run JOB

Lightning starts the same command again for each further device of this machine; torchrun and srun
start it for every device. A process that fails leaves a message in the job's folder, where
pipeline.execution.fit_process reads it.
"""

import sys
from pathlib import Path

from pipeline.core import process
from pipeline.core.errors import UserError
from pipeline.core.paths import Layout
from pipeline.execution.job import Job
from pipeline.execution.messages import report


def main(path: Path) -> None:
    """Run the job that a file describes."""
    process.prepare_fit()
    job = Job.load(path)
    with report(Path(job.folder), _rank):
        from pipeline.models import cpu
        from pipeline.training.datamodule import Inputs
        from pipeline.training.fit import fit

        if job.hardware.world == 1:
            cpu.stop_looking_for_gpus()
        fit(job, Inputs.open(Layout(), job.fold, job.recipe.policy))


def _rank() -> int:
    from pytorch_lightning.utilities import rank_zero_only

    return rank_zero_only.rank or 0  # type: ignore[attr-defined]


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as mistake:
        sys.exit(str(mistake))
