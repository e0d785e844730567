"""torch.compile for the body of a network."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.errors import UserError
from pipeline.network import Network


def compile_body(network: Network) -> None:
    """Have training run compiled code, made at its first step; weights and their names stay.

    Each shape of a batch is compiled for itself, so a fit that is resumed runs the code that it
    ran before. In evaluation mode nothing is compiled.

    Raises:
        UserError: later, at a call that cannot be compiled, as where there is no C++ compiler.
    """
    torch.compiler.reset()  # the fits before, of other folds, count towards its limit on versions
    # The forward itself is a function: a compiled module would be a part with weights of its own.
    compiled = torch.compile(network.body.forward, dynamic=False)
    from torch._dynamo.exc import TorchDynamoException

    def run(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        try:
            logits: Tensor = compiled(pixels)
        except TorchDynamoException as error:
            reason = next(line for line in str(error).splitlines() if line)
            raise UserError(
                f"hardware.compile: got true, and torch.compile failed: {reason}; it needs g++ and "
                "Python's headers (on Debian python3-dev), or set hardware.compile: false"
            ) from None
        return logits

    network.compiled = run
