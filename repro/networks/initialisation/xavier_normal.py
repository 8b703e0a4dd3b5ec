"""Glorot and Bengio 2010: normal, variance 2 / (fan_in + fan_out)."""

from torch import nn


def initialise(convolution: nn.Conv2d) -> None:
    """K[o, i, y, x] ~ N(0, 2 / (fan_in + fan_out)), fan_in = in * y * x, fan_out = out * y * x."""
    nn.init.xavier_normal_(convolution.weight)
