import numpy as np
import pandas as pd
import pytest

from repro.experiments.channel_gradients import claims
from repro.results.claims import Scale, judge
from tests.experiments.channel_gradients.test_show import EVEN, FALLING, SINGLE, magnitudes

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of low rank, of dominating channels, and of these having large means."""
    cards, _ = judge("fig7", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(magnitudes(EVEN, SINGLE, FALLING, seeds=5)) == ["reproduced"] * 3
    assert verdicts(magnitudes(SINGLE, EVEN, FALLING[::-1], seeds=5))[:2] == ["not reproduced"] * 2
    assert verdicts(magnitudes(EVEN, SINGLE, FALLING[::-1], seeds=5))[2] == "not reproduced"
    # Low rank and a dominating channel with BN as well.
    assert verdicts(magnitudes(SINGLE, SINGLE, FALLING, seeds=5)) == ["not reproduced", "not reproduced", "reproduced"]


def test_low_rank_is_asked_for_besides_a_lower_rank():
    four = np.kron(np.diag([1.0, 1.01, 1.02, 1.03]), np.ones((2, 2)))  # effective rank about 4
    eight = np.diag(np.linspace(1.0, 1.03, 8))
    _, numbers = judge("fig7", claims.CLAIMS, magnitudes(eight, four, FALLING, seeds=5), PAPER, "")
    assert numbers["value"].tolist()[:2] == pytest.approx([4, 2], rel=1e-3)
    assert numbers["position"].tolist()[0] == "outside"


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdicts(magnitudes(EVEN, SINGLE, FALLING, seeds=4)) == ["undecided"] * 3
    assert verdicts(magnitudes(EVEN, np.full((8, 8), np.inf), FALLING, seeds=5)) == ["undecided"] * 3
    other = magnitudes(EVEN, EVEN, FALLING[::-1])
    differ = pd.concat([magnitudes(EVEN, SINGLE, FALLING), other.assign(seed=other["seed"] + 3)])
    assert verdicts(differ) == ["undecided"] * 3


def test_networks_that_overflowed_are_left_out():
    table = magnitudes(EVEN, SINGLE, FALLING, seeds=6)
    table.loc[(table["seed"] == 2) & (table["normalisation"] == "none"), "magnitude"] = np.nan
    _, numbers = judge("fig7", claims.CLAIMS, table, PAPER, "")
    assert set(numbers["networks"]) == {5}
    assert verdicts(table) == ["reproduced"] * 3


def test_statements_are_recalled():
    cards, _ = judge("fig7", claims.CLAIMS, magnitudes(EVEN, SINGLE, FALLING), PAPER, "")
    assert cards["recalled"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    assert verdicts(magnitudes(EVEN, SINGLE, FALLING, seeds=5), scale) == ["not run at this scale"] * 3


def test_it_takes_one_recipe_with_and_one_without():
    table = magnitudes(EVEN, SINGLE, FALLING, seeds=5)
    other = table[table["normalisation"] == "none"].assign(recipe="none-depth200")
    assert verdicts(pd.concat([table, other], ignore_index=True)) == ["undecided"] * 3
    assert verdicts(other) == ["undecided"] * 3
    assert verdicts(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == ["reproduced"] * 3
