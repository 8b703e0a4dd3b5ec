import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from repro.experiments.input_independence.measure import measure, summand_sizes
from repro.experiments.input_independence.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import PAIR, THREE, measured, overflow, show_and_judge, snapshots
from tests.oracles import gradients as oracle

NAME = "input_independence"


@pytest.mark.parametrize(
    ("size", "stride", "padding", "height", "width"),
    [(3, 1, 1, 5, 4), (3, 2, 1, 6, 6), (3, 2, 1, 5, 7), (1, 2, 0, 6, 5), (3, 1, 0, 5, 5)],
)
def test_sums_agree_with_explicit_loops(size, stride, padding, height, width):
    generator = torch.Generator().manual_seed(size + stride)
    convolution = nn.Conv2d(2, 3, size, stride, padding, bias=False)
    inputs = torch.randn(2, 2, height, width, generator=generator)
    output = convolution(inputs).detach()
    record = probes.LayerRecord(inputs, output, torch.randn(*output.shape, generator=generator))
    expected = oracle.summand_sizes(
        inputs.double().numpy(), record.output_gradient.double().numpy(), (3, 2, size, size), stride, padding
    )
    found = summand_sizes(convolution, record)
    assert found[0] == expected[0] == output.shape[0] * output.shape[2] * output.shape[3]
    assert found[1:] == pytest.approx(expected[1:], rel=1e-12)


def test_summands_of_one_sign_have_ratio_one_and_cancelling_ones_an_infinite_one():
    convolution = nn.Conv2d(1, 1, 1, bias=False)
    inputs, ones = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert summand_sizes(convolution, probes.LayerRecord(inputs, ones, 3 * ones)) == (4, 3.0, 3.0)
    signs = torch.tensor([[[[1.0, -1.0], [-1.0, 1.0]]]])
    assert summand_sizes(convolution, probes.LayerRecord(inputs, ones, signs)) == (4, 1.0, 0.0)


def assert_loops_and_autograd_agree(snapshot: Snapshot, layers: dict[int, int]) -> None:
    """What `measure` says of layers of the third stage, given with their strides."""
    rows = measure(snapshot, Settings(layers=list(layers)))
    assert list(rows.columns) == list(COLUMNS)
    assert (rows["depth"] == snapshot.recipe.depth).all()
    rows = rows.set_index("layer")
    images, labels = snapshot.mini_batch()
    network, images, size = snapshot.network.double(), images.double(), len(images)
    assert size == snapshot.recipe.batch_size
    _, records = probes.capture_gradients(network, images, labels, layers)
    loss = nn.functional.cross_entropy(network(images), labels)
    for layer, stride in layers.items():
        # a from loops over a few of the kernel's entries, compared with the same entries of the fast sum
        inputs, gradient = records[layer].input, records[layer].output_gradient
        sums = probes.kernel_gradient(network.layer(layer), inputs.abs(), gradient.abs())
        for entry in ((0, 0, 0, 0), (5, 3, 1, 2), (63, 31, 2, 2)):
            d = oracle.summands(inputs.numpy(), gradient.numpy(), entry, stride, padding=1)
            assert len(d) == size * 4 * 4
            assert sums[entry].item() == pytest.approx(sum(abs(value) for value in d), rel=1e-12)
        # b from autograd; the table comes from single precision
        (expected,) = torch.autograd.grad(loss, network.layer(layer).weight, retain_graph=True)
        row = rows.loc[layer]
        assert row["summands"] == size * 4 * 4
        assert row["a"] == pytest.approx(sums.mean().item() / len(d), rel=1e-3)
        assert row["b"] == pytest.approx(expected.abs().mean().item() / len(d), rel=1e-3)
        assert row["ratio"] == row["a"] / row["b"] > 1


@pytest.mark.parametrize("variation", PAIR)
def test_a_network_agrees_with_loops_and_autograd_also_where_a_stage_begins(noise, variation):
    recipe = Recipe(depth=8, batch_size=2, **variation)
    assert_loops_and_autograd_agree(untrained(recipe, 0, noise), {6: 2, 7: 1})


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    recipe = Recipe(depth=14, batch_size=4, normalisation="none", shortcut="A")
    trained = dataclasses.replace(untrained(recipe, 1, noise), after=0.5)
    with torch.no_grad():
        trained.network.classifier.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    assert_loops_and_autograd_agree(trained, {10: 2, 13: 1})


def test_default_layers_stand_where_the_papers_do(noise):
    table = measure(untrained(Recipe(depth=14, batch_size=8), 0, noise), Settings())
    # the paper's layers are first convolutions in the ninth of a stage's 18 blocks; here a stage has two blocks
    assert table["layer"].unique().tolist() == [2, 6, 10]


def test_whole_path(noise, tmp_path):
    _, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert verdicts["p_value"].isna().tolist() == [True, False]  # published values are for ResNet-110


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"] * 2


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    finite = np.isfinite(table["ratio"]).groupby(table["normalisation"]).any()
    assert finite.to_dict() == {"batch": True, "none": False}
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert verdicts["verdict"].tolist() == ["undecided", "undecided"]
