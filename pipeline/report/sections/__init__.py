"""Sections of the page, one in each file: `section(findings)` returns None if it has no content."""
