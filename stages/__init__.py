"""The stages, one in each file: each reads its inputs, calls the library, and writes."""

import sys

from pipeline.core.interrupt import end_at_once

if sys.argv[0] == "-m":  # this package is imported for `python -m stages.NAME`
    end_at_once()
