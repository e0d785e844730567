"""Parts of the page, one a file: `section(findings)`, or None where there is nothing to show."""
