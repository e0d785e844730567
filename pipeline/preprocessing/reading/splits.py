"""The names that train, val and test may have, in lower case."""

SPLITS = {name: name for name in ("train", "val", "test")} | {"valid": "val", "validation": "val"}
