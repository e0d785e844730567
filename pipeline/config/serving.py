"""The section `serving`: what is written beside the packaged model."""

from pipeline.core.component import Strict


class Serving(Strict):
    """What is written beside the packaged model."""

    onnx: bool = False
    """Also write the packaged ensemble, and each of its members, as an ONNX file."""
