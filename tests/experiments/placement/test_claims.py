import pandas as pd
import pytest

from repro.experiments.placement import claims
from repro.results.claims import Scale, judge
from tests.experiments.placement.test_show import outcomes


def verdicts(table: pd.DataFrame) -> list[str]:
    """After S-shaped ones, before ReLU."""
    cards, _ = judge("places", claims.CLAIMS, table, Scale(110, True), "")
    return cards["verdict"].tolist()


def test_numbers_are_after_minus_before():
    _, numbers = judge("places", claims.CLAIMS, outcomes(), Scale(110, True), "")
    assert numbers["label"].tolist() == ["tanh", "sigmoid", "relu"]
    assert numbers["value"].tolist() == pytest.approx([5, 10, -5], abs=0.5)
    assert verdicts(outcomes()) == ["reproduced"] * 2


def test_each_claim_can_fail():
    assert verdicts(outcomes(relu=0.05)) == ["reproduced", "not reproduced"]
    assert verdicts(outcomes(sigmoid=-0.05)) == ["not reproduced", "reproduced"]


def test_undecided_without_what_it_takes():
    assert verdicts(outcomes(seeds=2)) == ["undecided"] * 2
    assert verdicts(outcomes(tanh=float("nan"))) == ["undecided", "reproduced"]
    assert verdicts(outcomes().query("activation != 'relu'")) == ["reproduced", "undecided"]
    assert verdicts(outcomes().assign(rise=0.03)) == ["undecided"] * 2
