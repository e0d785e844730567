"""One file a stage: it reads, calls, writes."""
