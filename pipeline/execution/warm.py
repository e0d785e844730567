"""Imported first by the fork server: it ends with the process that has started it, and so do its
forks, which otherwise keep it alive."""

from pipeline.core import process

process.die_with_parent()
