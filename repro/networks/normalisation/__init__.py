"""Kinds of normalisation, one module each, named by a recipe's `normalisation`.

A module has `LAYER`, a class: `LAYER(channels)` is a layer for activations (batch, channel, y, x). Drawing no random
numbers when it is made, it leaves the weights of the rest of the network as they are with any other kind. Its buffers,
changed in place, are kept with the weights, and stay as they are in an update that diverged. It computes by tensor
operations alone, on the device of its activations (`tests/training/test_capturable.py` tries that). For figures it gets
a row in `repro/results/looks.py`.
"""

import importlib

from torch import nn


def layer(kind: str, channels: int) -> nn.Module:
    """A layer of this kind for activations (batch, `channels`, y, x)."""
    made: nn.Module = importlib.import_module(f"{__name__}.{kind}").LAYER(channels)
    return made
