import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch

from repro.experiments.step_landscape.measure import losses_along_step, measure
from repro.experiments.step_landscape.settings import COLUMNS, Settings
from repro.images.data import ImageData
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot, untrained
from tests.oracles import first_steps

RATES = {"batch": 0.1, "none": 0.0001}
SETTINGS = Settings(points=4, mini_batches=[1, 3])


def subject(data: ImageData, normalisation: str, seed: int = 0, batch_size: int = 8) -> Snapshot:
    rate = RATES[normalisation]
    recipe = Recipe(depth=8, normalisation=normalisation, batch_size=batch_size, learning_rate=rate)
    return untrained(recipe, seed, data)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_table_agrees_with_training_written_out_in_double_precision(noise, normalisation, seed):
    snapshot = subject(noise, normalisation, seed)
    table = measure(snapshot, SETTINGS)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2 * 4
    trained = trainee(snapshot)
    batches = list(itertools.islice(trained.batches, 3))
    network = copy.deepcopy(trained.network).double()
    history = first_steps.training(network, batches, RATES[normalisation], 0.9, 5e-4)
    for mini_batch in (1, 3):
        weights, (images, labels) = history[mini_batch - 1], batches[mini_batch - 1]
        slopes = first_steps.gradient(network, weights, images, labels)
        before = first_steps.loss(network, weights, images, labels).item()
        rows = table.query("mini_batch == @mini_batch")
        assert rows["step_length"].iloc[[0, -1]].tolist() == pytest.approx([1.4e-5, 0.2])
        for row in rows.itertuples():
            moved = {name: weights[name] - row.step_length * slopes[name] for name in weights}
            after = first_steps.loss(network, moved, images, labels).item()
            assert row.loss_before == pytest.approx(before, rel=1e-4)
            assert row.relative_loss == pytest.approx(after / before, rel=1e-3)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_looking_leaves_no_trace_and_training_goes_on_as_if_nobody_had_looked(noise, normalisation):
    looked_at, left_alone = (trainee(subject(noise, normalisation)) for _ in range(2))
    for _ in range(3):
        images, labels = next(looked_at.batches)
        looked_at.gradient(images, labels)
        before = copy.deepcopy(looked_at.network.state_dict())
        losses_along_step(looked_at.network, images, labels, np.array([1e-3, 1.0, 1e30]))
        assert all(torch.equal(before[name], tensor) for name, tensor in looked_at.network.state_dict().items())
        looked_at.optimiser.step()
        left_alone.gradient(*next(left_alone.batches))
        left_alone.optimiser.step()
    expected = left_alone.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in looked_at.network.state_dict().items())


def test_measuring_leaves_the_snapshot_as_it_was(noise):
    snapshot = subject(noise, "batch")
    before = copy.deepcopy(snapshot.network.state_dict())
    measure(snapshot, SETTINGS)
    assert all(torch.equal(before[name], tensor) for name, tensor in snapshot.network.state_dict().items())


def test_loss_falls_at_first_by_the_squared_gradient(noise):
    trained = trainee(subject(noise, "batch"))
    images, labels = next(trained.batches)
    network: ResidualNetwork = trained.network.double()
    before = trained.gradient(images.double(), labels)
    squared = sum((parameter.grad**2).sum().item() for parameter in network.parameters())
    (after,) = losses_along_step(network, images.double(), labels, np.array([1e-7]))
    assert (before - after) / 1e-7 == pytest.approx(squared, rel=1e-3)


def test_too_few_images_is_one_clear_sentence(noise):
    with pytest.raises(UserError, match="batch_size is 97, but noise has only 96 training images; lower batch_size"):
        measure(subject(noise, "batch", batch_size=97), SETTINGS)


def test_a_network_of_another_recipe_is_taken_up_later_in_its_training(noise):
    recipe = Recipe(depth=14, batch_size=16, learning_rate=0.05, epochs=4, place="final", dropout=0.1)
    snapshot = dataclasses.replace(untrained(recipe, 1, noise), after=0.5)
    table = measure(snapshot, SETTINGS)
    assert table["mini_batch"].unique().tolist() == [1, 3]
    assert np.isfinite(table).all(axis=None)
    assert not table.equals(measure(untrained(recipe, 1, noise), SETTINGS))  # other mini-batches


def test_steps_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="step_minimum must be smaller than step_maximum"):
        Settings(step_minimum=0.1, step_maximum=0.1)
