"""The Lightning callbacks that components in this family build."""
