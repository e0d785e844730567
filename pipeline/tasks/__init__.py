"""What is predicted, one task a file; numpy only, so that ensembling needs no torch."""
