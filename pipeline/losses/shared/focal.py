"""The focal factor of T.-Y. Lin et al., Focal Loss for Dense Object Detection, 2017."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def focused(lead: Float[Tensor, "*n"], gamma: float) -> Float[Tensor, "*n"]:
    """Return (1 − p)^gamma · −log p, where `lead` is log p − log(1 − p).

    Both logarithms are exact when computed from the lead: nothing overflows, and no gradient is
    infinite where p is 1 and gamma is below 1.
    """
    log_other = functional.logsigmoid(-lead)
    return (gamma * log_other).exp() * -functional.logsigmoid(lead)
