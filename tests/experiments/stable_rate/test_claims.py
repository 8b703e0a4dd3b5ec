import math

import numpy as np
import pandas as pd
import pytest

from repro.experiments.stable_rate import claims
from repro.results.claims import Scale, judge
from tests.experiments.stable_rate.test_show import FALLING, Largest, rates

REAL, SYNTHETIC = Scale(8, True), Scale(8, False)
HALF_DECADES = [*(float(f"{m}e-{n}") for n in range(6, 0, -1) for m in (1, 3)), 1.0, 3.0, 10.0]


def judged(table: pd.DataFrame, scale: Scale = REAL) -> tuple[list[str], list[str], pd.DataFrame]:
    """Verdicts and reasons of the slope without, the slope with, the ratio, and one final BN; and the numbers."""
    cards, numbers = judge("largest_rate", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist(), cards["because"].tolist(), numbers


def verdicts(largest: Largest, seeds: int = 3) -> list[str]:
    return judged(rates(largest, seeds, HALF_DECADES))[0]


def test_what_the_paper_says_is_reproduced_where_it_is_so():
    assert verdicts(FALLING) == ["reproduced"] * 4
    rising = FALLING | {"batch": {8: 0.1, 20: 0.3, 110: 3.0}}
    assert verdicts(rising) == ["reproduced"] * 4


def test_each_claim_can_fail():
    rising = {"batch": {8: 0.3, 20: 0.1, 110: 1e-3}, "none": {8: 1e-3, 20: 0.1, 110: 0.3}}
    many = verdicts(rising | {"batch-final": {110: 0.01}}, seeds=8)
    assert many == ["not reproduced"] * 4
    assert verdicts(rising | {"batch-final": {110: 0.01}})[3] == "undecided"  # three seeds do not show the contrary


def test_what_lies_within_the_rounding_is_undecided():
    # One step from the shallowest to the next, and a ratio of ten, give or take 0.35 decades.
    table = {"none": {8: 0.03, 20: 0.1, 110: 0.03}, "batch": {8: 1.0, 20: 0.3, 110: 0.3}}
    assert verdicts(FALLING | table)[:3] == ["undecided"] * 3
    assert verdicts(FALLING | table | {"none": {8: 0.03, 20: 0.03, 110: 0.01}})[2] == "reproduced"
    assert verdicts(FALLING | table | {"none": {8: 0.03, 20: 0.03, 110: 0.1}})[2] == "not reproduced"


def test_slopes_are_least_squares_over_logarithms():
    largest = FALLING | {"none": {8: (0.3, 1.0, 0.3), 20: (0.1, 0.1, 0.3), 110: (1e-3, 3e-3, 1e-3)}}
    _, _, numbers = judged(rates(largest, 3, HALF_DECADES))
    depths = np.log10([8, 20, 110])
    slopes = [
        np.polyfit(depths, np.log10([largest["none"][depth][seed] for depth in (8, 20, 110)]), 1)[0]
        for seed in range(3)
    ]
    assert numbers["value"].tolist()[0] == pytest.approx(np.mean(slopes))
    ratio = np.mean(np.log10([300, 100, 300]))
    assert numbers["value"].tolist()[2] == pytest.approx(ratio)
    assert numbers["value"].tolist()[3] == 1


def test_bounds_decide_only_where_the_truth_lies_further_inside():
    # The deepest networks without BN survive no rate: the slope is lower still, and the ratio larger.
    none_left = FALLING | {"none": {8: 0.3, 20: 0.1, 110: 1e-9}}
    assert verdicts(none_left) == ["reproduced"] * 4
    # The shallowest survive every rate: likewise for the slope.
    assert verdicts(FALLING | {"none": {8: 10.0, 20: 0.1, 110: 1e-3}})[0] == "reproduced"
    # All with BN survive every rate: the slope can be anything.
    whole = FALLING | {"batch": {8: 10.0, 20: 10.0, 110: 10.0}}
    assert verdicts(whole) == ["reproduced", "undecided", "reproduced", "reproduced"]
    # The shallowest without BN survive none: a slope that seems to rise may not.
    assert verdicts(FALLING | {"none": {8: 1e-9, 20: 0.1, 110: 0.3}})[0] == "undecided"
    # With BN the deepest survive every rate, and so they do without.
    assert verdicts(FALLING | {"batch": {8: 0.3, 20: 0.3, 110: 10.0}})[1] == "reproduced"
    both = judged(rates({"batch": {110: 10.0}, "none": {110: 10.0}}, 3, HALF_DECADES))
    assert both[0][2] == "undecided"
    assert both[1][2] == "the largest rate of 6 networks lies beyond the rates tried; try larger ones too"


def test_a_bound_that_is_not_inside_is_undecided():
    table = rates(FALLING | {"batch": {110: 1e-5}, "none": {110: 1e-9}}, 3, HALF_DECADES)
    assert judged(table)[0][2] == "undecided"
    assert judged(table)[1][2] == "the largest rate of 3 networks lies beyond the rates tried; try smaller ones too"


def test_undecided_with_few_seeds_updates_or_depths():
    assert verdicts(FALLING, seeds=2) == ["undecided"] * 4
    few = rates(FALLING, 3, HALF_DECADES)
    found, because, _ = judged(few.assign(planned=19))
    assert found == ["undecided"] * 4
    assert because == ["19 updates are fewer than 20"] * 4
    shallow = rates({kind: {8: 0.3, 14: 0.3, 20: 0.3} for kind in FALLING}, 3, HALF_DECADES)
    found, because, _ = judged(shallow)
    assert found == ["undecided"] * 4
    assert because[0] == "it takes 3 depths that differ 4-fold"
    assert because[2] == "fewer than 3 networks of depth 110 with the normalisation batch"
    two = rates({kind: {8: 0.3, 110: 0.3} for kind in FALLING}, 3, HALF_DECADES)
    assert judged(two)[0][:2] == ["undecided"] * 2


def test_undecided_without_a_kind_without_the_rate_and_with_several_recipes():
    alone = {"batch": FALLING["batch"]}
    assert verdicts(alone) == ["undecided", "reproduced", "undecided", "undecided"]
    assert judged(rates(FALLING, 3, (1e-3, 1e-2, 0.1, 1.0)))[0][3] == "undecided"
    table = rates(FALLING, 3, HALF_DECADES)
    other = table.assign(recipe=table["recipe"] + "-batch16")
    assert judged(pd.concat([table, other]))[0] == ["undecided"] * 4
    assert judged(pd.concat([table, table.assign(after=0.5)]))[0] == ["reproduced"] * 4
    assert judged(table.assign(after=0.5))[0] == ["undecided"] * 4


def test_seeds_that_lack_a_network_are_left_out():
    table = rates(FALLING, 4, HALF_DECADES)
    lacking = table[~((table["seed"] == 3) & (table["depth"] == 110) & (table["normalisation"] == "none"))]
    found, _, numbers = judged(lacking)
    assert found == ["reproduced"] * 4
    assert numbers["networks"].tolist() == [3, 4, 3, 4]


def test_survival_of_a_rate_is_of_all_smaller_ones_too():
    table = rates(FALLING, 3, HALF_DECADES)
    final = (table["normalisation"] == "batch-final") & (table["depth"] == 110)
    assert verdicts(FALLING | {"batch-final": {110: (0.03, 0.1, 0.01)}})[3] == "undecided"
    table.loc[final & (table["rate"] < 1e-5), "status"] = "not below the first"
    found, _, numbers = judged(table)
    assert found[3] == "undecided"
    assert numbers["value"].tolist()[3] == 0


def test_synthetic_images_decide_nothing():
    assert judged(rates(FALLING, 3, HALF_DECADES), SYNTHETIC)[0] == ["not run at this scale"] * 4


def test_networks_without_a_loss_are_no_crash():
    table = rates(FALLING, 3, HALF_DECADES).assign(first_loss=math.nan, last_loss=math.nan)
    assert judged(table)[0] == ["reproduced"] * 4
