"""Code that sources share: tables, files and class names."""
