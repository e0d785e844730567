"""Engines, one per file: where fits run, and how many at once.

`start(params, execution, hardware)` returns a context manager, which yields a
`pipeline.execution.engine.Engine`; leaving it ends all that still runs.
"""
