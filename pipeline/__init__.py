"""From labelled images to a tested, calibrated, deployable ensemble."""

import sys
from importlib.util import find_spec

if find_spec("pydantic") is None:  # the system's Python, most often
    sys.exit(
        f"{sys.executable} lacks what Convoy needs; activate the environment that `make repro` has "
        "made, `. .venv/bin/activate`, or use `make repro`"
    )
