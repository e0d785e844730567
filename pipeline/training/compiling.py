"""torch.compile for the body of a network."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.core.errors import UserError
from pipeline.models.network import Network


def compile_body(network: Network) -> None:
    """Compile the body for training, at its first step; the weights keep their names.

    Each shape of a batch is compiled separately, so a resumed fit runs the same code as before.
    Nothing is compiled in evaluation mode.

    Raises:
        UserError: later, at a call that cannot be compiled, as where there is no C++ compiler.
    """
    torch.compiler.reset()  # earlier fits, of other folds, count towards its limit on versions
    # The forward itself is a function: a compiled module would be a submodule with its own weights.
    compiled = torch.compile(network.body.forward, dynamic=False)
    from torch._dynamo.exc import TorchDynamoException

    def run(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        try:
            logits: Tensor = compiled(pixels)
        except TorchDynamoException as error:
            reason = next(line for line in str(error).splitlines() if line)
            raise UserError(
                f"hardware.compile: got true, but torch.compile failed: {reason}; install g++ "
                "and Python's headers (python3-dev on Debian), or set hardware.compile: false"
            ) from None
        return logits

    network.compiled = run
