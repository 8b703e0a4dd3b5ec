import dataclasses

import numpy as np
import torch
from torch.nn import functional

from repro.experiments.gradient_histogram.measure import measure
from repro.experiments.gradient_histogram.settings import COLUMNS, Settings
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots

NAME = "gradient_histogram"


def test_every_weights_gradient_is_autograds(noise):
    for snapshot in snapshots(noise):
        rows = measure(snapshot, Settings(layer=4))  # stride 2, 32 x 16 channels
        assert len(rows) == 32 * 16 * 9
        assert (rows["layer"] == 4).all()
        images, labels = snapshot.mini_batch()
        functional.cross_entropy(snapshot.network(images), labels).backward()
        expected = snapshot.network.layer(4).weight.grad
        found = torch.full_like(expected, torch.nan)
        places = tuple(
            torch.tensor(rows[name].to_numpy(np.int64)) for name in ("output_channel", "input_channel", "y", "x")
        )
        found[places] = torch.tensor(rows["gradient"].to_numpy())
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


def test_default_layer_stands_where_the_papers_does(noise):
    table = measure(untrained(Recipe(depth=14, batch_size=8), 0, noise), Settings())
    # layer 55 is the second convolution in the middle of the second stage, layers 6 to 9 at depth 14
    assert table["layer"].unique().tolist() == [7]
    assert table["depth"].unique().tolist() == [14]


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    trained = dataclasses.replace(untrained(Recipe(depth=8, batch_size=16, normalisation="none"), 1, noise), after=0.5)
    before = measure(trained, Settings())["gradient"]
    with torch.no_grad():
        trained.network.classifier.bias.copy_(torch.tensor([30.0, 0.0, 0.0, 0.0]))
    table = measure(trained, Settings())
    assert list(table.columns) == list(COLUMNS)
    images, labels = trained.mini_batch()
    assert len(images) == 16
    weight = trained.network.layer(int(table["layer"].iloc[0])).weight
    (expected,) = torch.autograd.grad(functional.cross_entropy(trained.network(images), labels), weight)
    np.testing.assert_allclose(table["gradient"], expected.ravel(), rtol=1e-3, atol=1e-5 * expected.abs().max().item())
    assert not np.allclose(table["gradient"], before, rtol=0.1, atol=0)


def test_whole_path(noise, tmp_path):
    _, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"] * 2


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    finite = np.isfinite(table["gradient"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    lost = summary.set_index(["recipe", "quantity"])["measured"].xs(
        "share of weights whose gradient is not finite", level="quantity"
    )
    assert lost["batch"] == 0
    assert lost["none"] == 1
    assert (verdicts["verdict"] == "undecided").all()
