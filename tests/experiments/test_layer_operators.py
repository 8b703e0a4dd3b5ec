"""Each convolution as a linear map: against the matrix built pixel by pixel from torch's own convolution."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from repro import config
from repro.experiments import layer_operators
from repro.networks import ResidualNetwork
from tests.experiments.initialisation import configuration, judge_and_draw, use_small_images

NAME = "layer_operators"


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_images(monkeypatch)
        settings = {"seeds": 2, "initialisations": ["xavier_normal", "orthogonal"], "every": 3}
        yield layer_operators.measure(configuration(NAME, depth=8, **settings))


def test_every_operator_has_the_singular_values_of_its_matrix(table):
    chosen = table[(table["layer"] > 5) | (table["seed"] == 0) & (table["initialisation"] == "xavier_normal")]
    assert len(chosen) == 2 + 4
    for row in chosen.itertuples():
        network = ResidualNetwork(config.Network(depth=8, initialisation=row.initialisation), "none", 4, row.seed)
        layer = network.layer(row.layer).double()
        # Column by column: the map of each unit image.
        units = torch.eye(row.channels_in * row.side**2, dtype=torch.float64)
        units = units.reshape(-1, row.channels_in, row.side, row.side)
        with torch.no_grad():
            columns = functional.conv2d(units, layer.weight, stride=row.stride, padding=1)
        values = np.linalg.svd(columns.flatten(1).numpy(), compute_uv=False)
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


def test_an_operator_too_ill_conditioned_for_its_method_has_no_smallest_value(monkeypatch):
    use_small_images(monkeypatch)

    def almost_singular(*arguments):
        network = ResidualNetwork(*arguments)
        with torch.no_grad():
            weight = network.layer(4).weight
            weight[1] = weight[0] * (1 + 1e-7)  # two output channels nearly alike; stride 2, so not square
        return network

    monkeypatch.setattr(layer_operators, "ResidualNetwork", almost_singular)
    row = layer_operators.measure(configuration(NAME, seeds=1, initialisations=["xavier_normal"], every=3)).iloc[1]
    assert np.isnan(row["smallest"])
    assert np.isnan(row["condition"])
    assert row["norm"] > 0.5


def test_the_table_is_summarised_and_drawn(table, tmp_path):
    summary, verdicts = judge_and_draw(layer_operators, table, tmp_path)
    assert len(summary) == 2 * 3
    assert verdicts.empty
