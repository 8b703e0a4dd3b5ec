import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from repro.experiments.evaluation_statistics.measure import averages_standing_still, measure, score
from repro.experiments.evaluation_statistics.settings import (
    BATCH,
    COLUMNS,
    POPULATION,
    RUNNING,
    STANDING,
    Settings,
)
from repro.images.batches import epoch_batches
from repro.images.data import ImageData, normalise
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.conftest import random_images
from tests.experiments.tables import measured, show_and_judge, snapshots
from tests.oracles.networks import convolution

NAME = "evaluation_statistics"
SMALL = Settings(batch_sizes=[2, 5], momenta=[0.3, 1.0], passes=2)

Array = np.ndarray
Moments = dict[str, tuple[Array, Array]]  # of each layer, by its name


@pytest.fixture(scope="module")
def few() -> ImageData:
    return random_images(train=24, test=12, size=8)


def trained(data: ImageData, **kind: object) -> Snapshot:
    """A network with weights, gains, biases and running averages that differ from channel to channel."""
    snapshot = dataclasses.replace(untrained(Recipe(depth=8, batch_size=8, epochs=4, **kind), 0, data), after=1.0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in snapshot.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
                for tensor in (module.bias, module.running_mean):
                    tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    return snapshot


def by_loops(snapshot: Snapshot, images: Array, moments: Callable[[str, Array], tuple[Array, Array]]) -> Array:
    """Logits of a ResNet-8 with shortcut B, each BN by the `moments` that a function gives for its name and input."""
    state = {name: value.double().numpy() for name, value in snapshot.network.state_dict().items()}

    def normalised(name: str, x: Array) -> Array:
        mean, variance = moments(name, x)
        result = np.empty_like(x)
        for c in range(x.shape[1]):
            standard = (x[:, c] - mean[c]) / math.sqrt(variance[c] + 1e-5)
            result[:, c] = state[f"{name}.weight"][c] * standard + state[f"{name}.bias"][c]
        return result

    def relu(x: Array) -> Array:
        return np.where(x > 0, x, 0.0)

    x = relu(normalised("normalisation1", convolution(images, state["convolution1.weight"], 1)))
    for block, stride in ((0, 1), (1, 2), (2, 2)):
        at = f"blocks.{block}"
        inside = convolution(x, state[f"{at}.convolution1.weight"], stride)
        inside = relu(normalised(f"{at}.normalisation1", inside))
        inside = normalised(f"{at}.normalisation2", convolution(inside, state[f"{at}.convolution2.weight"], 1))
        if stride == 2:
            x = normalised(f"{at}.shortcut.1", convolution(x, state[f"{at}.shortcut.0.weight"], 2))
        x = relu(inside + x)
    return x.mean(axis=(2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]


def own(_: str, x: Array) -> tuple[Array, Array]:
    """The moments of a layer's input over batch and space."""
    return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))


def recorded(snapshot: Snapshot, images: Array) -> tuple[Moments, dict[str, int]]:
    """Each layer's moments in a pass of `images` as one mini-batch, and over how many values."""
    found: Moments = {}
    counts = {}

    def moments(name: str, x: Array) -> tuple[Array, Array]:
        found[name], counts[name] = own(name, x), x.size // x.shape[1]
        return found[name]

    by_loops(snapshot, images, moments)
    return found, counts


def prepared(images: torch.Tensor, data: ImageData) -> Array:
    return normalise(images, data).double().numpy()


def scored(logits: Array, labels: Array) -> tuple[float, float]:
    right = loss = 0.0
    for row, label in zip(logits, labels, strict=True):
        right += row[label] == max(row)
        loss += math.log(sum(math.exp(value - row[label]) for value in row))
    return right / len(labels), loss / len(labels)


@pytest.mark.parametrize("augmentation", [True, False])
def test_every_kind_of_statistics_agrees_with_loops_in_float64(few, augmentation):
    data = few
    snapshot = trained(data, augmentation=augmentation)
    table = measure(snapshot, SMALL)
    assert list(table.columns) == list(COLUMNS)
    test, labels = prepared(data.test_images, data), data.test_labels.numpy()
    state = {name: value.double().numpy() for name, value in snapshot.network.state_dict().items()}
    names = [name.removesuffix(".running_mean") for name in state if name.endswith("running_mean")]
    running = {name: (state[f"{name}.running_mean"], state[f"{name}.running_var"]) for name in names}
    # Layers in turn over all images as one mini-batch: what reaches a layer is normalised by all images before.
    population, _ = recorded(snapshot, prepared(data.train_images, data))
    exact = by_loops(snapshot, test, lambda name, _: population[name])

    expected = {
        (RUNNING, "nan", "nan"): (by_loops(snapshot, test, lambda name, _: running[name]), np.arange(12)),
        (POPULATION, "nan", "nan"): (exact, np.arange(12)),
    }
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).numpy()
    for size, whole in ((2, 12), (5, 10)):
        chosen = order[:whole]
        parts = [by_loops(snapshot, test[chosen[start : start + size]], own) for start in range(0, whole, size)]
        expected[BATCH, f"{size}", "nan"] = (np.concatenate(parts), chosen)
    # An epoch of three mini-batches, of which the first two come, after the cycle of four epochs.
    batches = list(epoch_batches(data, 8, 0, 4, augmentation, torch.device("cpu")))[:2]
    for momentum in (0.3, 1.0):
        moved = dict(running)
        for images, _ in batches:
            found, counts = recorded(snapshot, images.double().numpy())
            for name, (mean, variance) in found.items():
                unbiased = variance * counts[name] / (counts[name] - 1)
                old_mean, old_variance = moved[name]
                moved[name] = (
                    (1 - momentum) * old_mean + momentum * mean,
                    (1 - momentum) * old_variance + momentum * unbiased,
                )
        values = by_loops(snapshot, test, lambda name, _, moved=moved: moved[name])
        expected[STANDING, "nan", f"{momentum:g}"] = (values, np.arange(12))

    assert len(table) == len(expected)
    losses = set()
    for (_, row), ((name, size, momentum), (values, chosen)) in zip(table.iterrows(), expected.items(), strict=True):
        assert (row["statistics"], f"{row['batch_size']:g}", f"{row['averaging_momentum']:g}") == (name, size, momentum)
        assert row["images"] == len(chosen)
        accuracy, loss = scored(values, labels[chosen])
        assert row["test_accuracy"] == pytest.approx(accuracy)
        assert row["test_loss"] == pytest.approx(loss, rel=1e-4)
        accuracy, loss = scored(exact[chosen], labels[chosen])
        assert (row["population_accuracy"], row["population_loss"]) == pytest.approx((accuracy, loss), rel=1e-4)
        losses.add(round(row["test_loss"], 4))
    assert len(losses) == len(expected)  # they do differ


def test_the_mini_batches_are_of_the_next_epoch_and_momentum_one_leaves_the_last(few):
    snapshot = trained(few)
    one, two = (averages_standing_still(snapshot, [1.0], passes)[1.0] for passes in (1, 2))
    assert not torch.equal(one[0], two[0])
    assert averages_standing_still(snapshot, [], 2) == {}
    # More than an epoch has: the next one follows.
    assert averages_standing_still(snapshot, [0.5], 4)[0.5][0].isfinite().all()


@pytest.mark.parametrize("kind", [{}, {"dropout": 0.5}, {"place": "after_activation", "shortcut": "A"}])
def test_looking_leaves_no_trace_and_dropout_is_off(few, kind):
    snapshot = trained(few, **kind)
    before = copy.deepcopy(snapshot.network.state_dict())
    table = measure(snapshot, SMALL)
    assert all(torch.equal(before[name], value) for name, value in snapshot.network.state_dict().items())
    assert snapshot.network.training
    pd.testing.assert_frame_equal(table, measure(snapshot, SMALL))
    if "dropout" in kind:
        calm = measure(trained(few), SMALL)
        same = calm["statistics"] != STANDING  # whose mini-batches of training have dropout
        pd.testing.assert_frame_equal(calm[same], table[same])
        assert not calm.equals(table)


def test_a_mini_batch_of_all_test_images_that_are_those_of_training_is_the_population():
    data = random_images(train=12, test=12, size=8)
    data = dataclasses.replace(data, test_images=data.train_images, test_labels=data.train_labels)
    row = measure(trained(data), Settings(batch_sizes=[12], momenta=[], passes=1)).iloc[-1]
    assert row["statistics"] == BATCH
    assert row["test_loss"] == pytest.approx(row["population_loss"], rel=1e-5)


def test_logits_that_are_not_finite_are_no_hit():
    values = torch.tensor([[1.0, 0.0], [math.nan, 0.0], [math.inf, 0.0], [0.0, 3.0]]).double()
    accuracy, loss = score(values, torch.tensor([0, 0, 0, 1]))
    assert accuracy == 0.5
    assert math.isnan(loss)


@pytest.mark.parametrize("kind", [{"normalisation": "none"}, {"normalisation": "group"}, {"place": "final"}])
def test_networks_without_batch_normalisation_everywhere_are_refused(few, kind):
    with pytest.raises(UserError, match=r"networks with batch normalisation everywhere, and .* has the normalisation"):
        measure(untrained(Recipe(depth=8, batch_size=8, **kind), 0, few), SMALL)


def test_too_few_images_are_refused(few):
    snapshot = untrained(Recipe(depth=8, batch_size=8), 0, few)
    with pytest.raises(UserError, match=r"A mini-batch of 512 images .* cannot be drawn from 12 test images"):
        measure(snapshot, Settings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_sizes": [1]}, "batch_sizes.0 should be greater than or equal to 2"),
        ({"batch_sizes": [2, 2]}, "2 is listed 2 times; keep one"),
        ({"momenta": [0.0]}, "momenta.0 should be greater than 0"),
        ({"momenta": [0.1, 0.1]}, "0.1 is listed 2 times; keep one"),
        ({"passes": 0}, "passes should be greater than or equal to 1"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


@pytest.mark.parametrize("momenta", [[0.3, 1.0], []])
def test_whole_path(few, tmp_path, momenta):
    settings = Settings(batch_sizes=[2, 8], momenta=momenta, passes=2)
    networks = snapshots(few, [{}, {"place": "after_activation"}], seeds=2, after=(0.5, 1.0))
    summary, verdicts = show_and_judge(NAME, measured(measure, settings, networks), tmp_path)
    assert len(summary) == 4 * (2 + 2 + len(momenta))
    assert len(verdicts) == 2


def test_overflow_stays_in_the_table(few, tmp_path):
    networks = snapshots(few, [{}], seeds=3, after=(1.0,))
    for snapshot in networks:
        with torch.no_grad():
            snapshot.network.classifier.weight.mul_(torch.inf)
    table = measured(measure, SMALL, networks)
    assert (table["test_accuracy"] == 0).all()
    assert table["test_loss"].isna().all()
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert verdicts["because"].tolist() == ["batch was not trained: 0.0 % of the test images"] * 2
