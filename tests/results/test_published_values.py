"""The paper's numbers beside those of hand-made networks."""

import math

import numpy as np
import pandas as pd
import pytest

from repro.results.claims import Scale
from repro.results.published_values import COLUMNS, PublishedValue, compare

PAPER = Scale(110, True)
TEN = [float(value) for value in range(1, 11)]


def compared(value: float, networks, scale: Scale = PAPER) -> pd.Series:
    def published(table: pd.DataFrame) -> list[PublishedValue]:
        return [PublishedValue("ratio", value, "recalled", table["value"].to_numpy())]

    return compare("fig0", published, pd.DataFrame({"value": networks}), scale).squeeze()


def test_a_published_value_stands_beside_the_median_and_its_interval():
    found = compared(3.5, TEN)
    assert list(found.index) == list(COLUMNS)
    assert found.to_dict() == {
        "item": "fig0",
        "quantity": "ratio",
        "published": 3.5,
        "known": "recalled",
        "error": 0.0,
        "measured": 5.5,
        "low": 2.0,  # the second of ten: one or none lie below the median in 11 of 1024 cases
        "high": 9.0,
        "networks": 10,
        "quantile": 0.3,
        "inside": 1,
    }


@pytest.mark.parametrize(
    ("value", "quantile", "inside"),
    [(0.0, 0.0, 0), (1.0, 0.05, 1), (5.0, 0.45, 1), (10.0, 0.95, 1), (10.5, 1.0, 0)],
)
def test_the_quantile_is_the_share_of_networks_below(value, quantile, inside):
    found = compared(value, TEN)
    assert (found["quantile"], found["inside"]) == (pytest.approx(quantile), inside)


@pytest.mark.parametrize(("value", "inside"), [(0.95, 1), (0.85, 0), (10.05, 1), (10.2, 0)])
def test_what_was_read_off_a_plot_may_lie_beside_it(value, inside):
    def published(table: pd.DataFrame) -> list[PublishedValue]:
        return [PublishedValue("ratio", value, "read off", table["value"].to_numpy(), error=0.1)]

    assert compare("fig0", published, pd.DataFrame({"value": TEN}), PAPER).squeeze()["inside"] == inside


@pytest.mark.parametrize(
    ("networks", "count", "measured", "quantile", "inside"),
    [
        ([], 0, math.nan, math.nan, 0),
        ([math.nan], 0, math.nan, math.nan, 0),
        ([2.0], 1, 2.0, 0.0, 0),
        ([2.0, math.nan, 0.0], 2, 1.0, 0.5, 1),
        ([0.0, math.inf, math.inf], 3, math.inf, 1 / 3, 1),
    ],
)
def test_few_missing_and_infinite_networks(networks, count, measured, quantile, inside):
    found = compared(1.0, networks)
    np.testing.assert_equal([found["networks"], found["measured"], found["quantile"]], [count, measured, quantile])
    assert found["inside"] == inside
    assert np.isnan([found["low"], found["high"]]).all()


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_nothing_stands_beside_networks_of_another_scale(scale):
    assert compared(3.5, TEN, scale).empty


def test_random_matrices_have_no_scale_to_lack():
    assert compared(3.5, TEN, Scale(None, None))["networks"] == 10
