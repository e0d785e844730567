"""The sections of the page, one a file: `section(findings)`, None where there is nothing to show."""
