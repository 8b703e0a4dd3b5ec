"""Kinds of normalisation, one module each, named by a recipe's `normalisation`.

A module has `LAYER`, a class: `LAYER(channels, recipe)` is a layer for activations (batch, channel, y, x). Drawing no
random numbers when it is made, it leaves the weights of the rest of the network as they are with any other kind. Its
buffers, changed in place, are kept with the weights, and stay as they are in an update that diverged; where they are
running averages, its `momentum` is the share of the way that a step moves them. It computes by tensor operations
alone, on the device of its activations (`tests/training/test_capturable.py` tries that).

A kind that normalises kernels also has `KERNEL`, a class without parameters: `KERNEL()(weights)` makes of a
convolution's weights (out, in, y, x) the kernel that it applies, which all measurements then see as its `weight`.

A kind that treats the end of a residual branch, before the addition, otherwise also has `BRANCH`, a class like `LAYER`.

For figures a kind gets a row in `repro/results/looks.py`.
"""

import importlib

from torch import nn
from torch.nn.utils import parametrize

from repro.settings.recipe import Recipe


def layer_of(recipe: Recipe, channels: int) -> nn.Module:
    """A layer of the recipe's kind for activations (batch, `channels`, y, x)."""
    made: nn.Module = importlib.import_module(f"{__name__}.{recipe.normalisation}").LAYER(channels, recipe)
    return made


def branch_of(recipe: Recipe, channels: int) -> nn.Module:
    """Likewise, for the end of a residual branch."""
    kind = importlib.import_module(f"{__name__}.{recipe.normalisation}")
    made: nn.Module = getattr(kind, "BRANCH", kind.LAYER)(channels, recipe)
    return made


def normalise_kernel(recipe: Recipe, convolution: nn.Conv2d) -> None:
    """From now on `convolution` applies its weights as the recipe's kind normalises them; most kinds leave them be.

    Its own weights, which are trained, are then `parametrizations.weight.original`.
    """
    kind = importlib.import_module(f"{__name__}.{recipe.normalisation}")
    if hasattr(kind, "KERNEL"):
        # Unsafe only spares the check that runs the kernel once; shape and type stay by the kind's contract.
        parametrize.register_parametrization(convolution, "weight", kind.KERNEL(), unsafe=True)
