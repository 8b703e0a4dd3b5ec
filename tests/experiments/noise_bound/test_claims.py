import numpy as np
import pandas as pd
import pytest

from repro.experiments.noise_bound import claims
from repro.results.claims import Scale, judge
from tests.experiments.noise_bound.test_show import noises

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of the bound, of the equality, and of the fall with BN."""
    cards, _ = judge("noise", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_what_is_derived_comes_out_as_it_is():
    assert verdicts(noises()) == ["reproduced"] * 3
    assert verdicts(noises(scatter=0.1)) == ["reproduced"] * 3


def test_each_claim_can_fail():
    assert verdicts(noises(power=0.5)) == ["reproduced", "reproduced", "not reproduced"]
    assert verdicts(noises(power=1.3)) == ["reproduced", "reproduced", "not reproduced"]
    assert verdicts(noises(excess=1.6)) == ["not reproduced", "not reproduced", "reproduced"]
    # Below its bound, but not what is derived.
    assert verdicts(noises(excess=0.7)) == ["reproduced", "not reproduced", "reproduced"]


def test_a_fall_that_is_right_on_average_alone_is_not_as_derived():
    table = noises()
    without = table["normalisation"] == "none"
    table.loc[without & (table["batch_size"] == 4), "noise"] *= 0.4
    table.loc[without & (table["batch_size"] == 128), "noise"] *= 1.6
    assert verdicts(table)[:2] == ["reproduced", "not reproduced"]


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdicts(noises(seeds=4)) == ["undecided"] * 3
    assert verdicts(noises(sizes=(4, 8, 16)))[2] == "undecided"
    differ = noises()
    differ.loc[differ["seed"] < 2, "noise"] *= np.where(differ.loc[differ["seed"] < 2, "batch_size"] == 4, 9.0, 1.0)
    assert verdicts(differ) == ["undecided"] * 3
    assert verdicts(noises().assign(noise=np.nan)) == ["undecided"] * 3
    assert verdicts(noises().assign(C=np.nan))[:2] == ["undecided"] * 2


def test_numbers_are_those_of_the_untrained_networks():
    table = pd.concat([noises(), noises(power=0.5, excess=3.0).assign(after=0.5)], ignore_index=True)
    _, numbers = judge("noise", claims.CLAIMS, table, PAPER, "")
    mean = np.mean([(256 - size) / 255 for size in (4, 8, 16, 32, 64, 128)])
    assert numbers["value"].tolist()[:3] == pytest.approx([mean, 1, 1])
    assert numbers["value"].iloc[-1] == pytest.approx(1)
    assert numbers["label"].tolist()[:2] == ["without replacement", "with replacement"]
    assert len(numbers) == 2 + 1 + 12 + 1


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_mathematics_needs_no_scale_and_networks_do(scale):
    assert verdicts(noises(), scale) == ["not run at this scale", "reproduced", "not run at this scale"]


def test_it_takes_one_recipe_with_and_one_without():
    assert verdicts(noises().query("normalisation == 'none'")) == ["undecided"] * 3
