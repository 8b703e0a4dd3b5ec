"""Each convolution as a linear map: against the matrix built pixel by pixel from torch's own convolution."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from repro.experiments.layer_operators import measure
from repro.experiments.layer_operators.settings import COLUMNS, Settings
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import measured


def snapshot(noise, initialisation: str = "xavier_normal", seed: int = 0, **recipe) -> Snapshot:
    recipe = {"depth": 8, "normalisation": "none", "batch_size": 8} | recipe
    return untrained(Recipe(initialisation=initialisation, **recipe), seed, noise, name=initialisation)


@pytest.fixture(scope="module")
def table(noise):
    snapshots = [snapshot(noise, name, seed) for seed in range(2) for name in ("xavier_normal", "orthogonal")]
    return measured(measure.measure, Settings(every=3), snapshots)


def singular_values(weight: torch.Tensor, side: int, stride: int) -> np.ndarray:
    """Of the map of each unit image, column by column."""
    channels = weight.shape[1]
    units = torch.eye(channels * side**2, dtype=torch.float64).reshape(-1, channels, side, side)
    with torch.no_grad():
        columns = functional.conv2d(units, weight.double(), stride=stride, padding=1)
    return np.linalg.svd(columns.flatten(1).numpy(), compute_uv=False)


def test_every_operator_has_the_singular_values_of_its_matrix(table):
    chosen = table[(table["layer"] > 5) | (table["seed"] == 0) & (table["initialisation"] == "xavier_normal")]
    assert len(chosen) == 2 + 4
    for row in chosen.itertuples():
        recipe = Recipe(depth=8, normalisation="none", initialisation=row.initialisation)
        weight = ResidualNetwork(recipe, 4, row.seed).layer(row.layer).weight
        assert weight.shape[:2] == (row.channels_out, row.channels_in)
        values = singular_values(weight, row.side, row.stride)
        assert row.dimension == len(values)
        assert row.norm == pytest.approx(values[0], rel=1e-7)
        assert row.smallest == pytest.approx(values[-1], rel=1e-5)
        assert row.condition == pytest.approx(values[0] / values[-1], rel=1e-5)
        shares = values**2 / np.sum(values**2)
        rank = np.exp(-np.sum(shares * np.log(shares)))
        assert row.effective_rank == pytest.approx(rank, abs=4 * row.effective_rank_error + 1e-3 * rank)


def test_grids_and_strides_are_the_networks(table):
    first = table[(table["seed"] == 0) & (table["initialisation"] == "orthogonal")].set_index("layer")
    # images of 16 x 16 pixels; layers 4 and 6 halve the grid
    assert first["side"].to_dict() == {1: 16, 4: 16, 7: 4}
    assert first["stride"].to_dict() == {1: 1, 4: 2, 7: 1}
    assert first["channels_out"].to_dict() == {1: 16, 4: 32, 7: 64}


def test_grids_are_those_that_images_of_an_odd_side_pass_on(noise):
    odd = dataclasses.replace(noise, train_images=noise.train_images[..., :13, :13])
    subject = snapshot(odd)
    sides = []
    for layer in range(1, 8):
        subject.network.layer(layer).register_forward_hook(lambda _, inputs, __: sides.append(inputs[0].shape[-1]))
    subject.network(subject.mini_batch(2)[0])
    assert list(measure.measure(subject, Settings())["side"]) == sides


def test_an_operator_too_ill_conditioned_for_its_method_has_no_smallest_value(noise):
    almost_singular = snapshot(noise)
    with torch.no_grad():
        weight = almost_singular.network.layer(4).weight
        weight[1] = weight[0] * (1 + 1e-7)  # two output channels nearly alike; stride 2, so not square
    row = measure.measure(almost_singular, Settings(every=3)).iloc[1]
    assert np.isnan(row["smallest"])
    assert np.isnan(row["condition"])
    assert row["norm"] > 0.5


def test_a_trained_network_of_another_recipe_is_measured_as_it_is(noise):
    other = snapshot(noise, "kaiming_normal", 3, normalisation="batch", batch_size=16)
    with torch.no_grad():
        other.network.layer(7).weight *= 3
    row = measure.measure(dataclasses.replace(other, after=0.5), Settings(every=6)).iloc[1]
    assert list(row.index) == list(COLUMNS)
    assert row["initialisation"] == "kaiming_normal"
    values = singular_values(other.network.layer(7).weight, row["side"], row["stride"])
    assert row["norm"] == pytest.approx(values[0], rel=1e-7)
