"""He et al. 2015: normal, variance 2 / fan_in."""

from torch import nn


def initialise(convolution: nn.Conv2d) -> None:
    """K[o, i, y, x] ~ N(0, 2 / fan_in), fan_in = in * y * x."""
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
