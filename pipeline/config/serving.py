"""The section `serving`: which model is packaged, and what is written beside it."""

from pipeline.config.distillation import ENSEMBLE
from pipeline.core.component import Strict


class Serving(Strict):
    """Which model is packaged, and what is written beside it."""

    model: str = ENSEMBLE
    """`ensemble`, the one that validation chose; or a student of the section `distil`."""
    onnx: bool = False
    """Also write the packaged ensemble, and each of its members, as an ONNX file."""
