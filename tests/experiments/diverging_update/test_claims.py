import numpy as np
import pandas as pd
import pytest

from repro.experiments.diverging_update import claims
from repro.results.claims import Scale, judge
from repro.results.published_values import compare
from tests.experiments.diverging_update.test_show import PAPER_LIKE, table

PAPER = Scale(110, True)
FIVE = ("diverged",) * 5
# Means of one sign, variances that fall from layer to layer.
OTHERWISE = {8: ([0.5, 1.0], [9.0, 9.0]), 44: ([1.0, 1.0], [4.0, 4.0]), 80: ([2.0, 1.0], [2.0, 1.0])}


def verdicts(measured: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of the means' signs, of the variances at the end, and of their growth."""
    cards, _ = judge("fig4", claims.CLAIMS, measured, scale, "")
    return cards["verdict"].tolist()


def because(measured: pd.DataFrame) -> list[str]:
    return judge("fig4", claims.CLAIMS, measured, PAPER, "")[0]["because"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(table(PAPER_LIKE, FIVE)) == ["reproduced"] * 3
    assert verdicts(table(OTHERWISE, FIVE)) == ["not reproduced"] * 3
    # Each layer has to hold: means of one sign in the middle one, variances that rise into it and no further.
    middle = PAPER_LIKE | {44: ([1.0, 2700.0], [1e17, 1e17])}
    assert verdicts(table(middle, FIVE)) == ["not reproduced"] * 3
    # Variances that rise, but not by as much.
    small = {8: PAPER_LIKE[8], 44: ([-1.0, 1.0], [10.0, 10.0]), 80: ([-1.0, 1.0], [1e5, 1e5])}
    assert verdicts(table(small, FIVE)) == ["reproduced", "not reproduced", "reproduced"]


def test_undecided_when_networks_are_few_or_differ():
    assert verdicts(table(PAPER_LIKE, FIVE[:4])) == ["undecided"] * 3
    other = table(OTHERWISE, ("diverged",) * 3)
    differ = pd.concat([table(PAPER_LIKE, ("diverged",) * 3), other.assign(seed=other["seed"] + 3)])
    assert verdicts(differ) == ["undecided"] * 3


def test_networks_that_did_not_diverge_are_left_out():
    assert verdicts(table(PAPER_LIKE, ("not diverged", *FIVE))) == ["reproduced"] * 3
    assert because(table(PAPER_LIKE, ("not diverged",) * 5)) == ["no update diverged, in 5 networks"] * 3


def test_claims_on_depth_take_more_than_one_layer():
    one = table({8: PAPER_LIKE[8]}, FIVE)
    assert verdicts(one) == ["reproduced", "undecided", "undecided"]
    assert because(one)[1:] == ["only one layer was examined"] * 2


def test_claims_are_about_one_recipe_without_BN_from_its_first_step():
    pair = table(PAPER_LIKE, FIVE)
    others = [table(OTHERWISE, FIVE, normalisation="batch"), table({8: PAPER_LIKE[8]}, FIVE, after=0.5)]
    assert verdicts(pd.concat([pair, *others], ignore_index=True)) == ["reproduced"] * 3
    assert (
        because(pd.concat([pair, pair.assign(recipe="none-depth56")], ignore_index=True))
        == ["it takes one recipe without BN, from its first step on"] * 3
    )
    assert verdicts(others[0]) == ["undecided"] * 3


def test_claims_go_by_the_last_position_without_overflow():
    measured = table(PAPER_LIKE, FIVE)
    measured.loc[(measured["position"] == 1) & (measured["layer"] == 80), ["mean", "variance"]] = np.nan
    assert verdicts(measured) == ["reproduced"] * 3
    _, numbers = judge("fig4", claims.CLAIMS, measured, PAPER, "")
    rise = numbers.set_index(["claim", "label"]).loc[("variances_explode_with_depth", "-"), "value"]
    assert rise == pytest.approx(np.log10((1 + 5.5e16) / 2))
    measured.loc[measured["position"] > 0, ["mean", "variance"]] = np.nan
    assert verdicts(measured) == ["undecided"] * 3


def test_a_layer_without_any_variance_is_no_error():
    dead = PAPER_LIKE | {8: ([-0.9, 1.4], [0.0, 0.0])}
    assert verdicts(table(dead, FIVE)) == ["reproduced"] * 3


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    measured = table(PAPER_LIKE, FIVE)
    assert verdicts(measured, scale) == ["not run at this scale"] * 3
    assert compare("fig4", claims.published, measured, scale).empty


def test_published_ranges_stand_beside_those_of_each_diverged_network():
    other = table(OTHERWISE).assign(seed=2)
    found = claims.published(pd.concat([table(PAPER_LIKE, ("not diverged", "diverged")), other], ignore_index=True))
    assert [value.value for value in found] == [-0.9, 1.4, 1.0, -3900, 2700, 5.4e6, -3e8, 1.9e8, 5.5e16]
    assert {value.known for value in found} == {"read off"}
    # All channels' means begin at -1 and 1, their variances at 1.
    own = [[-1, -1], [1.4, 1], [1, 9], [-3900, -1], [2700, 1], [5.4e6, 4], [-3e8, -1], [1.9e8, 2], [5.5e16, 2]]
    assert [list(value.networks) for value in found] == [pytest.approx(values) for values in own]


def test_published_ranges_without_networks_to_stand_beside():
    none_diverged = compare("fig4", claims.published, table(PAPER_LIKE, ("not diverged",)), PAPER)
    assert none_diverged["networks"].tolist() == [0] * 9
    assert none_diverged["quantile"].isna().all()
    assert claims.published(table(PAPER_LIKE, after=0.5)) == []
    assert claims.published(table(PAPER_LIKE, normalisation="batch")) == []
