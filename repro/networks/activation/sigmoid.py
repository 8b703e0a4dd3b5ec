"""The logistic function."""

import torch
from torch import Tensor


def activate(values: Tensor) -> Tensor:
    """1 / (1 + e^-x), elementwise."""
    return torch.sigmoid(values)
