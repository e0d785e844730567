"""Convoy: labelled images in; a compared ensemble and one model to deploy out."""
