import numpy as np
import pandas as pd
import pytest

from repro.experiments.channel_conditioning import claims
from repro.results.claims import Scale, judge
from tests.experiments.channel_conditioning.test_show import FLAT, conditions

PAPER = Scale(110, True)
RISING = [2.0, 3.0, 3.0, 4.0, 4.0, 5.0]  # decades at the two ends of each stage


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of the rise over all, of the rises within stages, and of collinear channels."""
    cards, _ = judge("conditioning", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(conditions(FLAT, RISING, seeds=5)) == ["reproduced"] * 3
    assert verdicts(conditions(FLAT, [2, 4, 4, 3.9, 4, 3.9], seeds=5)) == ["reproduced", "not reproduced", "reproduced"]
    assert verdicts(conditions(FLAT, FLAT, rank=8.0, seeds=5)) == ["not reproduced"] * 3
    # With BN it rises as well, and by more.
    assert verdicts(conditions([2, 3, 3, 4, 4, 6], RISING, seeds=5))[0] == "not reproduced"


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdicts(conditions(FLAT, RISING, seeds=4)) == ["undecided"] * 3
    assert verdicts(conditions(FLAT, [np.nan] * 6, rank=np.nan, seeds=5)) == ["undecided"] * 3
    other = conditions(FLAT, RISING[::-1], rank=8.0)
    differ = pd.concat([conditions(FLAT, RISING), other.assign(seed=other["seed"] + 3)])
    assert verdicts(differ) == ["undecided"] * 3


def test_numbers_by_hand():
    table = conditions([2, 2, 2, 2, 2, 2.5], [2, 3, 3, 4, 4, 4.5], seeds=5)
    _, numbers = judge("conditioning", claims.CLAIMS, table, PAPER, "")
    assert numbers["label"].tolist() == ["-", "-", "stage 1", "stage 2", "stage 3", "-"]
    # A median of four convolutions is the mean of the middle two, which are half a twelfth of the rise apart.
    start, end = np.log10((1 + 10 ** (1 / 24)) / 2), np.log10((1 + 10 ** (-0.5 / 24)) / 2)
    stages = [23 / 24, 23 / 24, 0.5 * 23 / 24]
    assert numbers["value"].tolist() == pytest.approx([2.5 + end - start, 2.0 - start, *stages, 3.0])


def test_what_is_our_reading_is_not_counted_as_the_papers():
    cards, _ = judge("conditioning", claims.CLAIMS, conditions(FLAT, RISING), PAPER, "")
    assert cards["kind"].tolist() == ["paper", "own", "own"]


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    assert verdicts(conditions(FLAT, RISING, seeds=5), scale) == ["not run at this scale"] * 3


def test_it_takes_one_recipe_with_and_one_without():
    table = conditions(FLAT, RISING, seeds=5)
    other = table[table["normalisation"] == "none"].assign(recipe="none-other")
    assert verdicts(pd.concat([table, other], ignore_index=True)) == ["undecided"] * 3
    assert verdicts(other) == ["undecided"] * 3
    assert verdicts(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == ["reproduced"] * 3
