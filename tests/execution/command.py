"""A command that runs toys: python -m tests.execution.command EXECUTION JOB... ends as a stage."""

import sys
from pathlib import Path

from pipeline.config.execution import Execution
from pipeline.core import process
from pipeline.execution.engine import open_engine
from tests.execution.toy import CPU, Toy

if __name__ == "__main__":
    process.exit_on_sigterm()
    works = [Toy.model_validate_json(Path(path).read_text()) for path in sys.argv[2:]]
    with open_engine(Execution.model_validate_json(sys.argv[1]), CPU) as engine:
        errors = [error for _, error in engine.run(works) if error]
    sys.exit(len(errors))
