import numpy as np
import pandas as pd
import pytest

from repro.experiments.single_parameters import claims
from repro.experiments.single_parameters.settings import PERCENTS, column
from repro.results.claims import Scale, judge
from tests.experiments.single_parameters.test_show import spread

PAPER = Scale(110, True)


def judged(table: pd.DataFrame, scale: Scale = PAPER) -> tuple[str, str]:
    cards, _ = judge("entries", claims.CLAIMS, table, scale, "")
    return cards["verdict"].item(), cards["because"].item()


def test_the_claim_is_decided_both_ways():
    assert judged(spread())[0] == "reproduced"
    # The medians lie apart, but 5 % with BN (5) do not reach beyond 95 % without (8).
    assert judged(spread(with_=10))[0] == "not reproduced"
    assert judged(spread(with_=2, without=100))[0] == "not reproduced"
    # One layer of three is enough against it.
    table = spread()
    one = (table["normalisation"] == "batch") & (table["layer"] == 54)
    table.loc[one, [column(percent) for percent in PERCENTS]] /= 20
    assert judged(table)[0] == "not reproduced"


def test_numbers_by_hand():
    _, numbers = judge("entries", claims.CLAIMS, spread(with_=200), PAPER, "")
    assert numbers["label"].tolist() == ["layer 18", "layer 54", "layer 90"] * 2
    assert numbers["value"].tolist() == pytest.approx([2.0] * 3 + [np.log10(200 * 0.5 / (2 * 4))] * 3)
    # Paired by seed: that the seeds differ twofold in both does not widen the intervals.
    assert (numbers["high"] - numbers["low"]).tolist() == pytest.approx([0] * 6)


def test_undecided_where_seeds_are_few_or_differ_or_recipes_are_missing():
    assert judged(spread(seeds=4))[0] == "undecided"
    lost = spread()
    lost.loc[lost["normalisation"] == "none", [column(percent) for percent in PERCENTS]] = np.nan
    assert judged(lost)[0] == "undecided"
    alone = spread().query("normalisation == 'batch'")
    assert judged(alone) == ("undecided", "it takes one untrained recipe with BN and one without")
    other = pd.concat([alone, spread(layers=(4, 12)).query("normalisation == 'none'")])
    assert judged(other) == ("undecided", "networks with BN and without have other layers")
    # Infinite ratios with BN are larger than all without.
    infinite = spread()
    infinite.loc[infinite["normalisation"] == "batch", [column(percent) for percent in PERCENTS]] = np.inf
    assert judged(infinite)[0] == "reproduced"


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    assert judged(spread(), scale)[0] == "not run at this scale"
