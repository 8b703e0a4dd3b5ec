import dataclasses
import itertools
import math

import pytest
import torch

from repro.experiments.output_gradients.measure import measure
from repro.experiments.output_gradients.settings import COLUMNS, Settings
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots

NAME = "output_gradients"


def assert_softmax_minus_one_hot(snapshot: Snapshot, size: int) -> None:
    """What `measure` says of a network agrees with its logits, image by image, in Python's arithmetic."""
    table = measure(snapshot, Settings())
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == size * 4
    indexed = table.set_index(["image", "class"])
    images, labels = snapshot.mini_batch()
    with torch.no_grad():
        logits = snapshot.network(images).double().tolist()
    for b, j in itertools.product(range(size), range(4)):
        exponentials = [math.exp(value - max(logits[b])) for value in logits[b]]
        probability = exponentials[j] / sum(exponentials)
        label = labels[b].item()
        row = indexed.loc[(b, j)]
        assert row["label"] == label
        assert row["probability"] == pytest.approx(probability, rel=1e-9, abs=1e-12)
        assert row["gradient"] == pytest.approx((probability - (j == label)) / size, rel=1e-4, abs=1e-7)


def test_gradients_are_softmax_minus_one_hot_image_by_image(noise):
    for snapshot in snapshots(noise):
        assert_softmax_minus_one_hot(snapshot, size=8)


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    trained = dataclasses.replace(untrained(Recipe(depth=14, batch_size=16), 1, noise), after=0.5)
    with torch.no_grad():
        trained.network.classifier.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    assert_softmax_minus_one_hot(trained, size=16)
    assert measure(trained, Settings()).query("`class` == 0")["probability"].mean() > 0.5


def test_whole_path(noise, tmp_path):
    summary, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert summary["median"].between(0, 1).all()
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"]


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    assert table.query("normalisation == 'none'")["probability"].isna().all()
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert summary.set_index("recipe")["seeds that overflowed"].loc["none"].tolist() == [3] * 3
    assert (verdicts["verdict"] == "undecided").all()
