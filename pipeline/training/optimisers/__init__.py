"""Optimisers: which parameters share what, those that torch lacks, and the choice of one."""
