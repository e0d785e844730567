"""From labelled images to a tested, calibrated, deployable ensemble."""

import sys
from importlib.util import find_spec

if find_spec("pydantic") is None:  # the system's Python, most often
    sys.exit(
        f"{sys.executable} lacks the packages that Convoy needs; activate the environment that "
        "`make repro` created, `. .venv/bin/activate`, or use `make repro`"
    )
