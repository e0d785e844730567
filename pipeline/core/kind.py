"""The kinds of targets; apart from the data itself, since parameters are read without numpy."""

from typing import Literal

Kind = Literal["classes", "labels", "values"]
"""What a task learns from: one class per image, any number of labels, or numbers."""
