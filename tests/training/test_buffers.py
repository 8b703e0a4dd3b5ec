"""Buffers of any layer, of any type: kept with the weights, and unchanged by an update that diverged."""

import dataclasses

import pytest
import torch

from repro.networks import normalisation
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.settings.types import kinds
from repro.training import checkpoints, snapshots
from repro.training.descent import Descent
from repro.training.network_run import Interrupted
from tests.training.runs import after, begin, history, kept, recipe, trained
from tests.training.toy_normalisation import Toy, plug_in

# The kinds that have buffers, among them a toy; batch renormalisation with limits that open at once.
KINDS = ["toy"] + [
    kind for kind in kinds("normalisation") if list(normalisation.layer_of(Recipe(normalisation=kind), 16).buffers())
]
EARLY = {"renormalisation_start": 1}
LAYERS = 1 + 2 * 3 + 2  # of depth 8: the first, two in each block, two projections


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    plug_in(monkeypatch, "normalisation", "toy", LAYER=Toy)


def descent(noise, kind: str = "toy") -> Descent:
    chosen = recipe(kind, **EARLY)
    made = Descent(ResidualNetwork(chosen, 4, seed=0), noise, chosen, seed=0)
    made.active.fill_(True)
    made.begin_epoch(0, 0.01)
    return made


def toys(network: torch.nn.Module) -> list[Toy]:
    return [module for module in network.modules() if isinstance(module, Toy)]


def values(made: Descent) -> list[torch.Tensor]:
    return [buffer.clone() for buffer in made.buffers]


def equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_buffers_are_flat_by_type_and_the_layers_own(noise):
    made = descent(noise)
    layers = toys(made.network)
    assert len(layers) == LAYERS
    assert {buffer.dtype: buffer.numel() for buffer in made.buffers} == {
        torch.int64: LAYERS,
        torch.float32: sum(layer.level.numel() for layer in layers),
    }
    made.advance()
    made.advance()
    (steps,) = (buffer for buffer in made.buffers if buffer.dtype == torch.int64)
    (levels,) = (buffer for buffer in made.buffers if buffer.dtype == torch.float32)
    assert steps.tolist() == [2] * LAYERS
    assert all(layer.steps == 2 for layer in layers)
    assert torch.equal(levels, torch.cat([layer.level for layer in layers]))
    assert (levels != 0).all()


def test_the_kinds_with_running_averages_are_among_those_tried():
    assert {"batch", "batch_renormalisation"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_a_diverged_update_changes_none(noise, poison, kind):
    made = descent(noise, kind)
    made.advance()
    before = values(made)
    with torch.no_grad():
        made.network.classifier.weight[0] = poison
        made.network.convolution1.weight[0] = 1e3
    for _ in range(2):
        made.advance()
        assert made.diverged
        assert equal(values(made), before)
    made.evaluate()
    assert equal(values(made), before)


@pytest.mark.parametrize("kind", KINDS)
def test_an_inactive_network_changes_none(noise, kind):
    made = descent(noise, kind)
    made.advance()
    before = values(made)
    made.active.fill_(False)
    made.advance()
    made.evaluate()
    assert equal(values(made), before)


@pytest.mark.parametrize("place", ["everywhere", "after_activation", "final"])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_they_are_resumed(noise, tmp_path, place, steps):
    chosen = recipe("toy", 0.01, place=place)
    whole = begin(tmp_path / "whole.pt", noise, chosen)
    (expected,) = trained(whole)
    assert whole.position.status == "finished"
    assert all(layer.steps == 18 for layer in toys(whole.descent.network))
    interruptions = 0
    while (run := begin(tmp_path / "pieces.pt", noise, chosen)).incomplete:
        try:
            trained(run, stop=after(steps))
        except Interrupted:
            interruptions += 1
    assert interruptions >= 2
    assert history(run) == expected
    assert equal(values(run.descent), values(whole.descent))
    assert run.weights_digest() == whole.weights_digest()
    assert kept(run) == kept(whole)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_those_of_every_kind_are_resumed(noise, tmp_path, kind):
    chosen = recipe(kind, 0.01, **EARLY)
    whole = begin(tmp_path / "whole.pt", noise, chosen)
    (expected,) = trained(whole)
    with pytest.raises(Interrupted):
        trained(begin(tmp_path / "pieces.pt", noise, chosen), stop=after(7))
    run = begin(tmp_path / "pieces.pt", noise, chosen)
    assert trained(run) == [expected]
    assert equal(values(run.descent), values(whole.descent))
    assert kept(run) == kept(whole)


def test_they_are_kept_with_the_weights(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise, recipe("toy", 0.01))
    trained(run)
    for share, steps in ((0.5, 12), (1.0, 18)):
        bare = dataclasses.replace(snapshots.untrained(run.recipe, 1, noise), after=share)
        looked = snapshots.load({"1": checkpoints.read(run.kept(share))}, run.kept(share), "toy", bare)
        assert looked is not None
        assert all(layer.steps == steps for layer in toys(looked.network))
    pairs = zip(toys(looked.network), toys(run.descent.network), strict=True)
    assert all(torch.equal(ours.level, theirs.level) for ours, theirs in pairs)
