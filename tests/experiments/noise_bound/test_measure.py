import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from repro.experiments.noise_bound.measure import measure, mini_batches
from repro.experiments.noise_bound.settings import COLUMNS, WITH, WITHOUT, Settings
from repro.instruments import gradient_noise
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots
from tests.oracles import noise as oracle

NAME = "noise_bound"
SMALL = Settings(images=12, batch_sizes=[2, 6], draws=3)


def gradient(snapshot: Snapshot, places: list[int]) -> np.ndarray:
    """By backward() in float64, of the images that the seed draws first."""
    made = copy.deepcopy(snapshot.network).double()
    images, labels = snapshot.mini_batch(SMALL.images)
    functional.cross_entropy(made(images[places].double()), labels[places]).backward()
    return np.concatenate([parameter.grad.numpy().ravel() for parameter in made.parameters()])


def test_noise_is_the_mean_squared_distance_of_the_mini_batches_drawn(noise):
    for snapshot in snapshots(noise, seeds=1):
        table = measure(snapshot, SMALL)
        assert list(table.columns) == list(COLUMNS)
        assert list(zip(table["batch_size"], table["drawing"], strict=True)) == [
            (2, WITHOUT),
            (2, WITH),
            (6, WITHOUT),
            (6, WITH),
        ]
        full = gradient(snapshot, list(range(12)))
        assert table["gradient_norm_squared"].to_numpy() == pytest.approx(oracle.squared(full), rel=1e-3)
        for row in table.itertuples():
            drawn = mini_batches(12, row.batch_size, row.drawing == WITH, 3, snapshot.seed)
            distances = [oracle.squared(gradient(snapshot, places.tolist()) - full) for places in drawn]
            assert row.noise == pytest.approx(np.mean(distances), rel=1e-3)
            assert row.standard_error == pytest.approx(np.std(distances, ddof=1) / math.sqrt(3), rel=1e-2)


def test_examples_have_a_variance_without_normalisation_alone(noise):
    with_, without = snapshots(noise, seeds=1)
    assert measure(with_, SMALL)["C"].isna().all()
    examples = [gradient(without, [place]) for place in range(12)]
    assert measure(without, SMALL)["C"].to_numpy() == pytest.approx(oracle.variance(examples), rel=1e-3)


@pytest.mark.parametrize("replacement", [False, True])
def test_many_mini_batches_have_the_noise_that_is_derived(replacement):
    gradients = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 10)) + 3)
    variance = oracle.variance(list(gradients.numpy()))
    full = gradients.mean(0)
    for size in (2, 20, 39):
        drawn = mini_batches(40, size, replacement, 2000, seed=0)
        found = gradient_noise.about(full, (gradients[places].mean(0) for places in drawn))
        expected = gradient_noise.expected(variance, 40, size, replacement)
        assert abs(found.mean - expected) < 4 * found.standard_error
        assert found.standard_error < 0.03 * expected
        assert abs(found.bias) < 0.01 * expected


def test_mini_batches_do_not_depend_on_what_else_is_drawn():
    few, many = (list(mini_batches(50, 10, False, draws, 1)) for draws in (2, 5))
    assert all(torch.equal(one, other) for one, other in zip(few, many, strict=False))
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(many[0], next(mini_batches(50, 10, False, 1, 2)))
    assert all(len(set(places.tolist())) == 10 for places in many)
    assert any(len(set(places.tolist())) < 10 for places in mini_batches(50, 10, True, 5, 1))


def test_too_few_training_images_are_refused_in_one_sentence(noise):
    snapshot = untrained(Recipe(depth=8), 0, noise)
    with pytest.raises(UserError, match="set of 1024 images for noise_bound cannot be drawn from 96 training images"):
        measure(snapshot, Settings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 64, "batch_sizes": [4, 64]}, "64 is not smaller than 64"),
        ({"images": 64, "batch_sizes": [4, 128]}, "128 is not smaller than 64"),
        ({"batch_sizes": [4, 8, 4]}, "batch_sizes: 4 is listed 2 times; keep one"),
        ({"batch_sizes": []}, "batch_sizes should have at least 1"),
        ({"batch_sizes": [1]}, "batch_sizes.0 should be greater than or equal to 2"),
        ({"draws": 1}, "draws should be greater than or equal to 2"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


def test_whole_path(noise, tmp_path):
    settings = Settings(images=48, batch_sizes=[2, 8, 32], draws=4)
    summary, verdicts = show_and_judge(NAME, measured(measure, settings, snapshots(noise, seeds=5)), tmp_path)
    assert len(summary) == 2 * 2 * 3
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, SMALL, snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert set(verdicts["because"]) == {"it takes one untrained recipe with BN and one without"}


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, seeds=2)
    overflow(networks)
    table = measured(measure, SMALL, networks)
    finite = np.isfinite(table["noise"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert pd.Series(summary["noise"]).isna().groupby(summary["recipe"]).all().to_dict() == {
        "batch": False,
        "none": True,
    }
    assert (verdicts["verdict"] == "undecided").all()
