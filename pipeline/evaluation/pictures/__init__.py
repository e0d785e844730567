"""Pictures of an evaluation, the same bytes for the same numbers."""
