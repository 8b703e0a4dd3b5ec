import pandas as pd
import pytest

from repro.experiments.decay_speed import claims
from repro.results.claims import Scale, judge
from tests.experiments.decay_speed.test_show import FAST, outcomes


def verdict(table: pd.DataFrame) -> str:
    cards, _ = judge("decay", claims.CLAIMS, table, Scale(110, True), "")
    return cards["verdict"].item()


def test_the_number_is_the_difference_of_the_losses():
    _, numbers = judge("decay", claims.CLAIMS, outcomes(), Scale(110, True), "")
    assert numbers["value"].tolist() == pytest.approx([-1 + 20], abs=0.5)
    assert verdict(outcomes()) == "reproduced"


def test_the_claim_can_fail():
    assert verdict(outcomes((0.7, 0.6), (0.6, 0.59))) == "not reproduced"


def test_undecided_without_what_it_takes():
    assert verdict(outcomes(seeds=2)) == "undecided"
    assert verdict(outcomes(without=(0.6, float("nan")))) == "undecided"
    assert verdict(outcomes(fast="0.25, 0.375")) == "undecided"
    assert verdict(outcomes()[lambda table: table["drops"] == FAST]) == "undecided"
    assert verdict(outcomes().assign(rise=-0.05)) == "undecided"
