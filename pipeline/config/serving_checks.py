"""Checks of the section `serving`: what an export needs is known before members are trained."""

from importlib.util import find_spec
from typing import Any

from pipeline.config.ensembling import fitting
from pipeline.config.params import Params
from pipeline.core.component import load
from pipeline.core.errors import UserError

LIBRARIES = ("onnx", "onnxruntime", "onnxscript")


def check_serving(params: Params, origin: str) -> None:
    """Check that whatever validation may choose can be exported.

    Raises:
        UserError: a library is missing, or a method or calibrator has no form in ONNX.
    """
    if not params.serving.onnx:
        return
    given = f"{origin}: serving.onnx: got true"
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{given}, but {' and '.join(missing)} cannot be imported here; run `pip install "
            f"{' '.join(missing)}`, which the extra convoy[onnx] names, or set it to false"
        )
    ensemble, task = params.ensemble, params.task
    _have_forms("method", fitting("method", ensemble.methods, task), task, given)
    _have_forms("calibrator", fitting("calibrator", ensemble.calibrators, task), task, given)


def _have_forms(family: str, components: Any, task: Any, given: str) -> None:
    needed = "forward_values" if task.KIND == "values" else "forward"
    for component in components:
        if not hasattr(load(family, component), needed):
            raise UserError(
                f"{given}, but the {family} {component.name} has no function `{needed}`; allowed "
                f"false; or write it, or leave {component.name} out of ensemble.{family}s"
            )
