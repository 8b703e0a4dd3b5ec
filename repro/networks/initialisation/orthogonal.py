"""Saxe et al. 2014: the kernel as a matrix is orthogonal."""

from torch import nn


def initialise(convolution: nn.Conv2d) -> None:
    """Orthonormal rows or columns, whichever are fewer, of the (out, in * y * x) matrix."""
    nn.init.orthogonal_(convolution.weight)
