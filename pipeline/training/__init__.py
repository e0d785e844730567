"""Training with Lightning on one or many devices; no other folder imports lightning."""
