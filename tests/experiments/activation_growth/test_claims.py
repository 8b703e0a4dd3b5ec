import numpy as np
import pandas as pd
import pytest

from repro.experiments.activation_growth import claims
from repro.experiments.activation_growth.show import PAPER_LAYERS, PUBLISHED
from repro.results.claims import Scale, judge
from repro.results.published_values import compare
from tests.experiments.activation_growth.test_show import grown

PAPER = Scale(110, True)
SHARE = (104.5 - 5.5) / 110  # of the depth, from the first tenth of the 109 convolutions to the last


def verdict(table: pd.DataFrame, scale: Scale = PAPER) -> str:
    cards, _ = judge("fig5", claims.CLAIMS, table, scale, "")
    return cards["verdict"].item()


def both(with_: float, without: float, seeds: int = 5) -> pd.DataFrame:
    """Networks with BN whose ln std grows, too."""
    kinds = {
        kind: grown(slope, seeds=seeds).query("normalisation == 'none'")
        for kind, slope in (("batch", with_), ("none", without))
    }
    return pd.concat([rows.assign(recipe=kind, normalisation=kind) for kind, rows in kinds.items()], ignore_index=True)


def test_claim_is_decided_both_ways():
    assert verdict(grown(slope=4.0, seeds=5)) == "reproduced"
    assert verdict(grown(slope=0.5, seeds=5)) == "not reproduced"
    # Growth with BN that is less than without, and growth nevertheless.
    assert verdict(both(with_=2.0, without=5.0)) == "not reproduced"
    assert verdict(both(with_=0.5, without=5.0)) == "reproduced"
    assert verdict(both(with_=5.0, without=0.5)) == "not reproduced"


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdict(grown(slope=4.0, seeds=4)) == "undecided"
    more = grown(slope=0.5, seeds=3)
    assert verdict(pd.concat([grown(slope=4.0, seeds=3), more.assign(seed=more["seed"] + 3)])) == "undecided"
    table = grown(slope=4.0, seeds=5)
    lost = (table["normalisation"] == "none") & (table["layer"] == 109)
    table.loc[lost, "variance"] = np.inf
    assert verdict(table) == "undecided"
    assert judge("fig5", claims.CLAIMS, table, PAPER, "")[0]["because"].item() == "activations overflowed"


def test_numbers_by_hand_without_a_network_that_overflowed():
    table = both(with_=0.5, without=4.0, seeds=6)
    table.loc[(table["seed"] == 3) & (table["normalisation"] == "none") & (table["layer"] == 105), "variance"] = np.nan
    _, numbers = judge("fig5", claims.CLAIMS, table, PAPER, "")
    assert numbers["value"].tolist() == pytest.approx([3.5 * SHARE, 0.5 * SHARE])
    assert numbers["networks"].tolist() == [5, 5]


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    table = grown(slope=4.0, seeds=5)
    assert verdict(table, scale) == "not run at this scale"
    assert compare("fig5", claims.published, table, scale).empty


def test_it_takes_one_recipe_with_and_one_without():
    table = grown(slope=4.0, seeds=5)
    other = table[table["normalisation"] == "none"].assign(recipe="none-other")
    assert verdict(pd.concat([table, other], ignore_index=True)) == "undecided"
    assert verdict(other) == "undecided"
    assert verdict(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == "reproduced"


def test_forty_published_values_stand_beside_each_networks_own():
    table = grown(slope=4.0, seeds=2)
    found = claims.published(table)
    assert [value.value for value in found] == [value for values in PUBLISHED.values() for value in values]
    assert len({value.quantity for value in found}) == 40
    assert {value.known for value in found} == {"read off"}
    named = {value.quantity: value.networks for value in found}
    for layer in PAPER_LAYERS:
        deviation = named[f"without BN, layer {layer}: ln(standard deviation) of a channel, mean over channels"]
        assert deviation == pytest.approx([4 * layer / 110] * 2)
        mean = named[f"without BN, layer {layer}: ln|mean| of a channel, mean over channels"]
        assert mean == pytest.approx([4 * layer / 110 - np.log(10)] * 2)


def test_nothing_was_published_of_other_depths_or_moments():
    table = grown(slope=4.0, seeds=2)
    assert claims.published(table.assign(after=0.5)) == []
    assert claims.published(grown(slope=4.0, depth=200, seeds=2)) == []
    assert len(claims.published(table[table["normalisation"] == "batch"])) == 20
