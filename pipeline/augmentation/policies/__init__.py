"""Policies, one per file: `transforms(params, height_px, width_px)` lists their transforms."""
