"""The names under which train, val and test come, in lower case."""

SPLITS = {name: name for name in ("train", "val", "test")} | {"valid": "val", "validation": "val"}
