from pathlib import Path

import pandas as pd
import pytest

from repro.experiments.dropout import claims
from repro.results.claims import Scale, judge
from tests.experiments.dropout.test_show import scattered
from tests.experiments.tables import show_and_judge

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame) -> list[str]:
    cards, _ = judge("dropout_need", claims.CLAIMS, table, PAPER, "")
    return cards["verdict"].tolist()


def test_numbers_are_differences_of_differences(tmp_path: Path):
    made = scattered()
    _, cards = show_and_judge("dropout", made, tmp_path)
    assert cards["verdict"].tolist() == ["reproduced", "reproduced"]
    _, numbers = judge("dropout_need", claims.CLAIMS, made, PAPER, "")
    # With BN the best share gains 0, without 10; the largest costs 10 with BN and gains 5 without.
    assert numbers["value"].tolist() == pytest.approx([-10, -10, -15], abs=1)


def test_each_claim_can_fail():
    assert verdicts(scattered((0.5, 0.7, 0.6))) == ["not reproduced", "not reproduced"]
    # Dropout hurts with BN, and no more than without.
    assert verdicts(scattered((0.7, 0.68, 0.6), (0.5, 0.6, 0.3)))[1] == "not reproduced"


def test_where_no_dropout_helps_without_bn_there_is_no_need_of_less():
    cards, _ = judge("dropout_need", claims.CLAIMS, scattered((0.7, 0.6, 0.6), (0.5, 0.48, 0.4)), PAPER, "")
    assert cards["verdict"].iloc[0] == "undecided"
    assert "some dropout helps, which does not show here" in cards["because"].iloc[0]


def test_undecided_when_networks_are_few_diverge_or_still_learn():
    assert verdicts(scattered(seeds=2)) == ["undecided"] * 2
    assert verdicts(scattered().assign(rise=0.03)) == ["undecided"] * 2
    lost = scattered((0.7, 0.7, 0.6), (float("nan"), 0.6, 0.55))
    assert verdicts(lost) == ["undecided"] * 2
    # A share at which networks diverged does not compete; the others decide about the need.
    assert verdicts(scattered((0.7, 0.7, 0.6), (0.5, 0.6, float("nan")))) == ["reproduced", "undecided"]
    small = scattered()
    assert verdicts(small[small["dropout"] < 0.5]) == ["reproduced", "undecided"]
