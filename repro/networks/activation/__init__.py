"""Kinds of activation, one module each, named by a recipe's `activation`: a module has `activate(values)`."""

import importlib
from collections.abc import Callable

from torch import Tensor


def function(kind: str) -> Callable[[Tensor], Tensor]:
    """The elementwise function of this kind."""
    found: Callable[[Tensor], Tensor] = importlib.import_module(f"{__name__}.{kind}").activate
    return found
