import pandas as pd
import pytest

from repro.experiments.weight_decay import claims
from repro.results.claims import Scale, judge
from tests.experiments.weight_decay.test_show import outcomes


def verdict(table: pd.DataFrame) -> str:
    cards, _ = judge("penalty", claims.CLAIMS, table, Scale(110, True), "")
    return cards["verdict"].item()


def test_the_number_is_the_difference_of_what_the_best_penalties_gain():
    _, numbers = judge("penalty", claims.CLAIMS, outcomes(), Scale(110, True), "")
    assert numbers["value"].tolist() == pytest.approx([1 - 10], abs=0.5)
    assert verdict(outcomes()) == "reproduced"


def test_the_claim_can_fail():
    assert verdict(outcomes((0.5, 0.5, 0.7, 0.6))) == "not reproduced"


def test_undecided_where_there_is_no_need_or_nothing_to_see_it_from():
    assert verdict(outcomes(without=(0.5, 0.48, 0.4, 0.1))) == "undecided"
    assert verdict(outcomes(seeds=2)) == "undecided"
    assert verdict(outcomes().assign(rise=0.03)) == "undecided"
    assert verdict(outcomes(without=(float("nan"), 0.5, 0.6, 0.1))) == "undecided"
    assert verdict(outcomes().query("weight_decay == 0")) == "undecided"
    assert verdict(outcomes(without=(0.5, 0.5, 0.6, float("nan")))) == "reproduced"
