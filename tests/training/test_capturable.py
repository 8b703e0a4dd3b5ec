"""Steps of every kind of network are tensor operations alone, so that they can be captured in a CUDA graph.

They run on `meta` tensors, which hold no values: a read by the host, or a shape that depends on values, fails. Every
operation is watched: a tensor on any other device would be a copy from or to the host.
"""

import contextlib
import itertools
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.settings.types import kinds
from repro.training.descent import Descent
from tests.training.runs import recipe
from tests.training.toy_normalisation import Toy, plug_in

META = torch.device("meta")


class OnOneDevice(TorchDispatchMode):
    """Refuses every operation with a tensor, given or made, that is not on the `meta` device."""

    def __torch_dispatch__(self, function, _types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for tensor in tree_leaves((arguments, options or {}, result)):
            if isinstance(tensor, Tensor) and tensor.device != META:
                raise AssertionError(f"{function} has a tensor on {tensor.device}")
        return result


def run_on_meta(noise, chosen: Recipe, monkeypatch) -> None:
    # `meta` has no autocast; where it is asked for it changes types, not devices.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    made = Descent(ResidualNetwork(chosen, 4, seed=0).to(META), noise.to(META), chosen, seed=0)
    made.begin_epoch(0, 0.1)
    with OnOneDevice():
        made.advance()
        made.evaluate()


def possible(kind: str, place: str) -> bool:
    try:
        return bool(recipe(kind, place=place))
    except ValidationError:
        return False


PLACES = ["everywhere", "after_activation", "final"]
PLACED = [pair for pair in itertools.product(kinds("normalisation"), PLACES) if possible(*pair)]


def test_every_kind_is_among_them():
    assert {kind for kind, _ in PLACED} == set(kinds("normalisation"))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("kind", "place"), PLACED)
def test_every_normalisation_in_every_place(noise, monkeypatch, kind, place, dropout):
    run_on_meta(noise, recipe(kind, place=place, dropout=dropout), monkeypatch)


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
@pytest.mark.parametrize("activation", kinds("activation"))
@pytest.mark.parametrize("augmentation", [True, False])
def test_every_activation_and_shortcut(noise, monkeypatch, activation, shortcut, augmentation):
    run_on_meta(noise, recipe(activation=activation, shortcut=shortcut, augmentation=augmentation), monkeypatch)


def layer(forward: Callable[[Tensor], Tensor]) -> type[nn.Module]:
    class Watched(nn.Module):
        def __init__(self, channels: int, recipe: Recipe) -> None:
            super().__init__()

        def forward(self, activations: Tensor) -> Tensor:
            return forward(activations)

    return Watched


def of_shape(activations: Tensor) -> Tensor:
    return activations * activations[activations > 0].shape[0]


def of_host(activations: Tensor) -> Tensor:
    return activations + torch.ones(activations.shape[1])[:, None, None].to(activations.device)


def by_host(activations: Tensor) -> Tensor:
    return activations if activations.mean() > 0 else -activations


def of_value(activations: Tensor) -> Tensor:
    return activations / activations.detach().abs().max().item()


@pytest.mark.parametrize("wrong", [of_shape, of_host, by_host, of_value])
def test_a_normalisation_that_cannot_be_captured_is_found(noise, monkeypatch, wrong):
    plug_in(monkeypatch, "normalisation", "wrong", LAYER=layer(wrong))
    with pytest.raises((RuntimeError, NotImplementedError, AssertionError)):
        run_on_meta(noise, recipe("wrong"), monkeypatch)


def test_one_that_cannot_be_captured_in_evaluation_alone_is_found(noise, monkeypatch):
    class Watched(nn.Module):
        def __init__(self, channels: int, recipe: Recipe) -> None:
            super().__init__()

        def forward(self, activations: Tensor) -> Tensor:
            return activations if self.training else by_host(activations)

    plug_in(monkeypatch, "normalisation", "wrong", LAYER=Watched)
    with pytest.raises(RuntimeError, match="meta"):
        run_on_meta(noise, recipe("wrong"), monkeypatch)


def test_one_with_buffers_can_be_captured(noise, monkeypatch):
    plug_in(monkeypatch, "normalisation", "toy", LAYER=Toy)
    run_on_meta(noise, recipe("toy"), monkeypatch)
