import math

import numpy as np
import pandas as pd
import pytest

from repro.results.claims import Undecided
from repro.results.pairs import compared, log_ratios, pair, side_by_side

VALUES = pd.DataFrame(
    [
        ("batch", "batch", 0.0, 0, 2.0),
        ("batch", "batch", 0.5, 0, 3.0),
        ("batch", "batch", 0.0, 1, 0.0),
        ("none", "none", 0.0, 0, 8.0),
        ("none", "none", 0.0, 1, 1.0),
        ("batch-final", "batch-final", 0.0, 0, 5.0),
    ],
    columns=["recipe", "normalisation", "after", "seed", "value"],
)


def test_a_pair_is_one_recipe_with_and_one_without_at_all_moments():
    chosen = pair(VALUES)
    assert chosen["normalisation"].tolist() == ["batch"] * 3 + ["none"] * 2
    assert chosen["after"].tolist() == [0, 0.5, 0, 0, 0]


@pytest.mark.parametrize("table", [VALUES.query("recipe == 'batch'"), VALUES.replace({"recipe": {"batch": "x"}})])
def test_other_numbers_of_recipes_are_no_pair(table):
    two = pd.concat([table, table.query("normalisation == 'batch'").assign(recipe="other")])
    with pytest.raises(Undecided, match="one recipe with BN and one without"):
        pair(two)


def test_networks_of_one_seed_and_moment_stand_side_by_side():
    found = side_by_side(VALUES, "value", ["after"])
    assert found.to_dict("index") == {(0, 0.0): {"batch": 2, "none": 8}, (1, 0.0): {"batch": 0, "none": 1}}
    assert log_ratios(VALUES, "value", ["after"]).tolist() == pytest.approx([math.log(2 / 8), -math.inf])


def test_ratios_of_infinite_values():
    values = VALUES.assign(value=[np.inf, 1.0, 1.0, np.inf, np.inf, 1.0])
    ratios = log_ratios(values, "value", ["after"])
    assert math.isnan(ratios.iloc[0])
    assert ratios.iloc[1] == -math.inf


def test_finite_differences_have_a_mean_and_infinite_ones_a_median():
    assert compared([1.0, 2.0, 6.0]).value == 3
    assert compared([1.0, 2.0, np.nan]).method == "Student's, of the mean"
    infinite = compared([-np.inf, -1.0, -2.0, -3.0, -4.0])
    assert (infinite.value, infinite.low, infinite.high) == (-3, -np.inf, -1)
