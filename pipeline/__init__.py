"""Convoy: labelled images in; an ensemble honestly compared with its members, and one model, out."""
