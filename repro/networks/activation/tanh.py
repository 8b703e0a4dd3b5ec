"""The hyperbolic tangent."""

import torch
from torch import Tensor


def activate(values: Tensor) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x), elementwise."""
    return torch.tanh(values)
