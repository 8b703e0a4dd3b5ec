"""What PyTorch does of itself: uniform, variance 1 / (3 fan_in)."""

from torch import nn


def initialise(convolution: nn.Conv2d) -> None:
    """K[o, i, y, x] uniform with variance 1 / (3 fan_in), fan_in = in * y * x."""
    convolution.reset_parameters()
