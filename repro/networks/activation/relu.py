"""The rectifier (Nair and Hinton 2010)."""

from torch import Tensor
from torch.nn import functional


def activate(values: Tensor) -> Tensor:
    """max(x, 0), elementwise."""
    return functional.relu(values)
