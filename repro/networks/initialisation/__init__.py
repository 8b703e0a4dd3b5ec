"""Kinds of initialisation of convolutions, one module each, named by a recipe's `initialisation`.

A module has `initialise(convolution)`, which draws the weights from PyTorch's global generator. For figures it gets a
row in `repro/results/looks.py`.
"""

import importlib

import torch
from torch import nn


def initialise(kind: str, convolution: nn.Conv2d, gain: float = 1.0) -> None:
    """K <- gain * draw: draw the weights of a convolution, (out, in, y, x), from the global generator."""
    importlib.import_module(f"{__name__}.{kind}").initialise(convolution)
    with torch.no_grad():
        convolution.weight.mul_(gain)
