"""A kind of normalisation with buffers of two types that every training step changes, for tests to plug in."""

import sys
import types
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from repro.settings import types as settings_types
from repro.settings.recipe import Recipe


class Toy(nn.Module):
    """y = s_c (x - l_c) / (1 + k / 100), s_c a parameter; each step moves l_c towards the channel's mean and k by 1."""

    steps: Tensor
    level: Tensor

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("level", torch.zeros(channels))

    def forward(self, activations: Tensor) -> Tensor:
        if self.training:
            self.steps.add_(1)
            self.level.lerp_(activations.detach().mean(dim=(0, 2, 3)).to(self.level.dtype), 0.1)
        centred = activations - self.level[:, None, None]
        return self.scale[:, None, None] * centred / (1 + self.steps / 100)


def plug_in(monkeypatch: pytest.MonkeyPatch, room: str, kind: str, **contents: object) -> None:
    """As if `repro/networks/ROOM/KIND.py` were there with these contents."""
    module = types.ModuleType(f"repro.networks.{room}.{kind}")
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    kinds: Callable[[str], list[str]] = settings_types.kinds
    monkeypatch.setattr(settings_types, "kinds", lambda other: kinds(other) + [kind] * (other == room))
