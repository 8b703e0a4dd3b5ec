import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from repro.experiments.diverging_update.measure import diverges, measure, moments_along_update, train_until_divergence
from repro.experiments.diverging_update.settings import COLUMNS, Settings
from repro.images.data import ImageData
from repro.networks.layers import equivalent_layer
from repro.settings.recipe import Recipe
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot, untrained
from tests.oracles import first_steps, networks

RATE = 20.0  # a shallow network bears much
SETTINGS = Settings(points=3)


def subject(data: ImageData, rate: float = RATE, seed: int = 0) -> Snapshot:
    return untrained(Recipe(depth=8, normalisation="none", batch_size=8, learning_rate=rate), seed, data)


@pytest.mark.parametrize("seed", range(2))
def test_moments_along_the_update_agree_with_everything_written_out(noise, seed):
    snapshot = subject(noise, seed=seed)
    table = measure(snapshot, SETTINGS)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["status"]) == {"diverged"}
    assert set(table["learning_rate"]) == {RATE}
    assert table["layer"].unique().tolist() == [equivalent_layer(layer, 8) for layer in (8, 44, 80)]
    trained = trainee(snapshot)
    batches = list(itertools.islice(trained.batches, table["step"].iloc[0]))
    history = first_steps.training(copy.deepcopy(trained.network).double(), batches, RATE, 0.9, 5e-4)
    images, labels = (part.numpy() for part in batches[-1])
    for position, rows in table.groupby("position"):
        weights = {
            name: ((1 - position) * history[-2][name] + position * history[-1][name]).numpy() for name in history[0]
        }
        logits, outputs = networks.logits(weights, images.astype(float), 8, "none", "B")
        losses = [
            max(row) + math.log(sum(math.exp(value - max(row)) for value in row)) - row[label]
            for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
        ]
        assert rows["loss"].unique() == pytest.approx([sum(losses) / len(losses)], rel=2e-3)
        for row in rows.itertuples():
            values = outputs[row.layer][:, row.channel].ravel().tolist()
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            deviation = math.sqrt(variance)
            assert row.mean == pytest.approx(mean, rel=2e-3, abs=2e-3 * deviation)
            assert row.variance == pytest.approx(variance, rel=5e-3)


def test_the_diverging_update_is_the_first_that_raises_the_loss_above_the_threshold(noise):
    trained, again = (trainee(subject(noise, rate=2.0)) for _ in range(2))
    step, diverged, before, images, labels = train_until_divergence(trained, 10.0, 200)
    assert diverged
    for number in range(1, step + 1):
        images_again, labels_again = next(again.batches)
        loss = again.gradient(images_again, labels_again)
        weights = copy.deepcopy(again.network.state_dict())
        again.optimiser.step()
        with torch.no_grad():
            after = torch.nn.functional.cross_entropy(again.network(images_again), labels_again).item()
        assert (not after <= max(10.0, loss)) == (number == step)
    assert torch.equal(images, images_again)
    assert torch.equal(labels, labels_again)
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.state_dict().items())
    expected = again.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in trained.network.state_dict().items())


def test_ends_of_the_update_have_exactly_the_weights_before_and_after(noise):
    trained = trainee(subject(noise))
    _, _, before, images, labels = train_until_divergence(trained, 1e3, 50)
    table = moments_along_update(before, trained.network, images, labels, [0.0, 1.0], [2])
    for position, network in ((0.0, before), (1.0, trained.network)):
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(network(images), labels).item()
        assert table.loc[table["position"] == position, "loss"].unique().tolist() == [loss]


def test_measuring_leaves_the_snapshot_as_it_was(noise):
    snapshot = subject(noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    measure(snapshot, SETTINGS)
    assert all(torch.equal(before[name], tensor) for name, tensor in snapshot.network.state_dict().items())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (2.0, 999.0, False),
        (2.0, 1001.0, True),
        (1560.0, 1200.0, False),  # began above the threshold and fell
        (1560.0, 1600.0, True),
        (2.0, math.nan, True),
        (2.0, math.inf, True),
    ],
)
def test_what_diverges(before, after, expected):
    assert diverges(before, after, 1e3) is expected


def test_nothing_diverges_is_an_outcome(noise):
    table = measure(subject(noise, rate=1e-6), Settings(points=3, maximum_steps=2))
    assert set(table["status"]) == {"not diverged"}
    assert set(table["step"]) == {2}


def test_overflow_is_an_outcome(noise):
    table = measure(subject(noise, rate=1e20), Settings(points=3, layers=[2, 6]))
    assert set(table["status"]) == {"diverged"}
    assert table.query("position == 0")[["mean", "variance"]].apply(np.isfinite).all(axis=None)
    assert not table.query("position == 1")[["mean", "variance"]].apply(np.isfinite).all(axis=None)


def test_a_network_of_another_recipe_is_taken_up_later_in_its_training(noise):
    recipe = Recipe(depth=14, batch_size=16, learning_rate=0.05, epochs=4, dropout=0.1)
    snapshot = dataclasses.replace(untrained(recipe, 1, noise), after=0.5)
    table = measure(snapshot, Settings(points=3, maximum_steps=2))
    assert table["learning_rate"].unique().tolist() == pytest.approx([0.005])  # it drops at half the cycle
    assert table["layer"].unique().tolist() == [equivalent_layer(layer, 14) for layer in (8, 44, 80)]
    assert np.isfinite(table[["mean", "variance", "loss"]]).all(axis=None)
