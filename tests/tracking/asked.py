"""Sync, and print whether MLflow was asked: whether what imports it was imported.

python -m tests.tracking.asked
"""

import sys

from pipeline.cli.app import main

sys.argv = ["convoy", "sync"]
try:
    main()
finally:
    print("pipeline.tracking.store" in sys.modules)
