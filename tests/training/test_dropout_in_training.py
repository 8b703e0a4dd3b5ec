"""Dropout within training: the same masks however a run goes, those of the equations, and none in evaluation."""

import pytest
import torch

from repro.images import batches
from repro.networks.dropout import Dropout, key, use_masks
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.descent import Descent
from repro.training.first_steps import trainee
from repro.training.network_run import Interrupted
from repro.training.snapshots import untrained
from tests.training.runs import CPU, after, begin, kept, recipe, trained

DROPPING = recipe(dropout=0.3)


def descent(noise, chosen: Recipe, seed: int = 5, dtype: torch.dtype = torch.float64) -> Descent:
    made = Descent(ResidualNetwork(chosen, 4, seed).to(dtype), noise, chosen, seed)
    made.active.fill_(True)
    return made


def test_steps_agree_with_pytorchs_of_the_same_masks(noise):
    """Masks are drawn here layer by layer, and multiplied in by a hook of a network without dropout."""
    ours = descent(noise, DROPPING)
    ours.begin_epoch(3, 0.01)
    slow = ResidualNetwork(recipe(), 4, 5).double().train()
    optimiser = torch.optim.SGD(slow.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    layers = [Dropout(0.3, number) for number in range(3)]
    for block, layer in zip(slow.blocks, layers, strict=True):

        def drop(_, inputs, layer=layer):
            kept = layer(torch.ones_like(inputs[0])) > 0
            return (inputs[0] * kept / 0.7,)

        block.convolution2.register_forward_pre_hook(drop)
    for step, (images, labels) in enumerate(batches.epoch_batches(noise, 16, 5, 3, True, CPU)):
        for layer in layers:
            use_masks(layer, 5, 3, step)
        ours.advance()
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(slow(images.double()), labels).backward()
        optimiser.step()
    assert ours.step == 6
    for mine, weight in zip(ours.network.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(mine, weight, rtol=1e-8, atol=1e-11)


def test_a_trainee_has_the_masks_of_training(noise):
    ours = descent(noise, DROPPING, dtype=torch.float32)
    ours.begin_epoch(0, DROPPING.learning_rate)
    other = trainee(untrained(DROPPING, 5, noise))
    for _ in range(3):
        ours.advance()
        other.gradient(*next(other.batches))
        other.optimiser.step()
    for mine, weight in zip(ours.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(mine, weight, rtol=1e-4, atol=1e-5)
    keys = [[m.key.item() for m in each.modules() if isinstance(m, Dropout)] for each in (ours.network, other.network)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("place", ["everywhere", "after_activation"])
@pytest.mark.parametrize("steps", [1, 4, 6, 7])
def test_interrupted_training_ends_like_an_undisturbed_one(noise, tmp_path, place, steps):
    chosen = recipe(dropout=0.3, place=place)
    whole = begin(tmp_path / "whole.pt", noise, chosen)
    (expected,) = trained(whole)
    while (run := begin(tmp_path / "pieces.pt", noise, chosen)).incomplete:
        try:
            (found,) = trained(run, stop=after(steps))
        except Interrupted:
            continue
    assert found == expected
    assert run.weights_digest() == whole.weights_digest()
    assert kept(run) == kept(whole)


def test_networks_side_by_side_keep_their_masks(noise, tmp_path):
    alone = [begin(tmp_path / f"alone{seed}.pt", noise, DROPPING, seed=seed) for seed in range(3)]
    expected = [trained(run)[0] for run in alone]
    together = [begin(tmp_path / f"{seed}.pt", noise, DROPPING, seed=seed) for seed in range(3)]
    assert trained(*together) == expected
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]


def test_dropout_changes_training_and_not_evaluation(noise):
    dropping, plain = descent(noise, DROPPING), descent(noise, recipe())
    for made in (dropping, plain):
        made.begin_epoch(0, 0.01)
        made.evaluate()
    assert dropping.test_loss_sum == plain.test_loss_sum
    assert dropping.test_correct == plain.test_correct
    for made in (dropping, plain):
        made.advance()
    assert dropping.first_loss != plain.first_loss


def test_every_step_and_epoch_has_masks_of_its_own(noise):
    made = descent(noise, DROPPING)
    keys = []
    for epoch in range(2):
        made.begin_epoch(epoch, 0.01)
        made.step.zero_()
        for step in range(3):
            made.advance()
            (found,) = {m.key.item() for m in made.network.modules() if isinstance(m, Dropout)}
            assert found == key(5, torch.tensor(epoch), torch.tensor(step))
            keys.append(found)
    assert len(set(keys)) == 6
