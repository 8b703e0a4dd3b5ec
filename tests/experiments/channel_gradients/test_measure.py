import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from repro.experiments.channel_gradients.measure import channel_magnitudes, measure
from repro.experiments.channel_gradients.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import PAIR, THREE, measured, overflow, show_and_judge, snapshots
from tests.oracles import channels as oracle

NAME = "channel_gradients"


def assert_loops_agree(snapshot: Snapshot, layer: int, shape: tuple[int, int]) -> None:
    """What `measure` says of a network agrees with loops over autograd's gradient; `shape`: channels in and out."""
    table = measure(snapshot, Settings(layer=layer))
    assert list(table.columns) == list(COLUMNS)
    assert (table["layer"] == layer).all()
    rows = table.set_index(["input_channel", "output_channel"])
    assert len(rows) == shape[0] * shape[1]
    images, labels = snapshot.mini_batch()
    assert len(images) == snapshot.recipe.batch_size
    _, records = probes.capture_gradients(snapshot.network, images, labels, [layer])
    inputs = records[layer].input.double().numpy()
    sizes = records[layer].output_gradient.double().abs().numpy()
    functional.cross_entropy(snapshot.network(images), labels).backward()
    gradient = snapshot.network.layer(layer).weight.grad.tolist()
    largest = rows["magnitude"].max()
    for i, o in itertools.product(*map(range, shape)):
        expected = sum(abs(gradient[o][i][y][x]) for y, x in itertools.product(range(3), repeat=2))
        assert rows.loc[(i, o), "magnitude"] == pytest.approx(expected, rel=1e-3, abs=1e-5 * largest)
    for i, o in ((0, 0), (3, 20), (15, 31)):
        assert rows.loc[(i, o), "input_mean"] == pytest.approx(oracle.moments(inputs, i)[0], rel=1e-12)
        assert rows.loc[(i, o), "output_gradient"] == pytest.approx(oracle.moments(sizes, o)[0], rel=1e-12)


@pytest.mark.parametrize("variation", PAIR)
@pytest.mark.parametrize("seed", [0, 1])
def test_magnitudes_and_moments_agree_with_loops_over_autograds_gradient(noise, variation, seed):
    recipe = Recipe(depth=8, batch_size=4, **variation)
    assert_loops_agree(untrained(recipe, seed, noise), layer=4, shape=(16, 32))


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    trained = dataclasses.replace(untrained(Recipe(depth=14, batch_size=16, shortcut="A"), 1, noise), after=0.5)
    with torch.no_grad():
        trained.network.classifier.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    assert_loops_agree(trained, layer=7, shape=(32, 32))


def test_default_layer_stands_where_the_papers_does(noise):
    table = measure(untrained(Recipe(depth=14, batch_size=8), 0, noise), Settings())
    # layer 45 is the second convolution of the fourth of the second stage's 18 blocks; at depth 14 the first of two
    assert table["layer"].unique().tolist() == [7]


def test_a_kernel_gradient_becomes_a_matrix_of_input_and_output_channels():
    gradient = torch.tensor([[[[1.0, -2.0]], [[0.0, 3.0]], [[-4.0, 0.5]]]])  # (1 out, 3 in, 1, 2)
    assert channel_magnitudes(gradient).tolist() == [[3.0], [3.0], [4.5]]


def test_whole_path(noise, tmp_path):
    summary, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert summary["median"].notna().all()
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"] * 3


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    finite = np.isfinite(table["magnitude"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert (summary.set_index("recipe")["seeds without a value"].loc["none"] == 3).all()
    assert verdicts["verdict"].tolist() == ["undecided"] * 3
