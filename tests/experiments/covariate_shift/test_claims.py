import numpy as np
import pandas as pd
import pytest

from repro.experiments.covariate_shift import claims
from repro.results.claims import Scale, judge
from tests.experiments.covariate_shift.test_show import shifting

SMALL = Scale(8, True)


def verdicts(table: pd.DataFrame, scale: Scale = SMALL) -> list[str]:
    """Of the drift, and of the gradients' shift."""
    cards, _ = judge("shift", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_less_is_reproduced_and_more_is_not():
    assert verdicts(shifting(1.0, 2.0)) == ["reproduced"] * 2
    assert verdicts(shifting(2.0, 1.0)) == ["not reproduced"] * 2
    assert verdicts(shifting(1.0, 1.0, scatter=0.5)) == ["undecided"] * 2


def test_the_two_definitions_are_judged_apart():
    assert verdicts(shifting(1.0, 2.0, change=(2.0, 1.0))) == ["reproduced", "not reproduced"]
    assert verdicts(shifting(2.0, 1.0, change=(1.0, 2.0))) == ["not reproduced", "reproduced"]


def test_both_moments_and_both_measures_have_to_hold():
    table = shifting(1.0, 2.0)
    with_ = table["normalisation"] == "batch"
    table.loc[with_, "mean"] *= 10
    table.loc[with_, "cosine_gap"] *= 10
    assert verdicts(table) == ["not reproduced"] * 2
    _, numbers = judge("shift", claims.CLAIMS, table, SMALL, "")
    assert numbers["position"].tolist() == ["outside", "inside", "inside", "outside"]


def test_numbers_are_mean_differences_within_seeds():
    _, numbers = judge("shift", claims.CLAIMS, shifting(1.0, 2.0, scatter=1e-3), SMALL, "")
    assert numbers["value"].tolist() == pytest.approx([-np.log(2)] * 3 + [-0.01], rel=0.15)
    assert numbers["networks"].tolist() == [5] * 4


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (shifting(moments=(0.0,)), "at two moments of training or more"),
        (shifting().query("normalisation == 'batch' or after == 0"), "at two moments of training or more"),
        (shifting().query("normalisation == 'batch'"), "it takes one recipe with BN and one without"),
        (shifting().assign(standard_deviation=np.nan, gradient_norm=np.inf, cosine_gap=np.nan), "no layer has a value"),
        (shifting(seeds=1), "no interval from 1"),
    ],
)
def test_undecided_where_the_table_lacks_something(table, reason):
    cards, _ = judge("shift", claims.CLAIMS, table, SMALL, "")
    assert cards["verdict"].tolist() == ["undecided"] * 2
    assert all(reason in because for because in cards["because"])


def test_synthetic_images_decide_nothing():
    assert verdicts(shifting(), Scale(110, False)) == ["not run at this scale"] * 2
