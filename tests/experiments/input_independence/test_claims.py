import numpy as np
import pandas as pd
import pytest

from repro.experiments.input_independence import claims
from repro.results.claims import Scale, judge
from repro.results.published_values import compare
from tests.experiments.input_independence.test_show import WITH, WITHOUT, sizes

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of the summands with BN and without."""
    cards, _ = judge("table1", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(sizes(WITH, WITHOUT, seeds=5)) == ["reproduced"] * 2
    assert verdicts(sizes([250.0, 110.0, 4.0], [2.0, 2.5, 30.0], seeds=5)) == ["not reproduced"] * 2
    # Summands that cancel ten times better than published are not what was published.
    assert verdicts(sizes([2500.0, 1100.0, 400.0], WITHOUT, seeds=5))[0] == "not reproduced"


def test_undecided_when_networks_are_few_differ_or_have_no_gradient():
    assert verdicts(sizes(WITH, WITHOUT, seeds=4)) == ["undecided"] * 2
    assert verdicts(sizes([np.nan] * 3, [np.nan] * 3, seeds=5)) == ["undecided"] * 2
    # The networks' values are 0.9 to 1.3 times these, the thresholds 128.7 at layer 90 and 6.
    assert verdicts(sizes([250.0, 110.0, 120.0], [2.0, 2.5, 5.5], seeds=5)) == ["undecided"] * 2


def test_numbers_by_hand():
    _, numbers = judge("table1", claims.CLAIMS, sizes(WITH, WITHOUT, seeds=5), PAPER, "")
    assert numbers["label"].tolist() == ["layer 18", "layer 54", "layer 90"] * 2
    decades = np.log10(1.1 * np.array(WITH) / [251.8, 112.8, 40.7])
    assert numbers["value"].tolist() == pytest.approx([*decades, *(1.1 * np.array(WITHOUT))])


def test_published_ratios_are_of_the_papers_layers_alone():
    table = sizes(WITH, WITHOUT, seeds=5)
    elsewhere = [sizes(WITH, WITHOUT, seeds=5, depth=200), table[table["layer"] != 54]]
    for other in elsewhere:
        cards, _ = judge("table1", claims.CLAIMS, other, PAPER, "")
        assert cards["verdict"].tolist() == ["undecided", "reproduced"]
        assert cards["because"][0] == "published values exist for layers 18, 54 and 90 of ResNet-110 alone"


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    table = sizes(WITH, WITHOUT, seeds=5)
    assert verdicts(table, scale) == ["not run at this scale"] * 2
    assert compare("table1", claims.published, table, scale).empty


def test_it_takes_one_recipe_with_and_one_without():
    table = sizes(WITH, WITHOUT, seeds=5)
    other = table[table["normalisation"] == "none"].assign(recipe="none-other")
    assert verdicts(pd.concat([table, other], ignore_index=True)) == ["undecided"] * 2
    assert verdicts(other) == ["undecided"] * 2
    assert verdicts(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == ["reproduced"] * 2


def test_published_values_are_recalled_and_stand_beside_each_networks_own():
    found = claims.published(sizes(WITH, WITHOUT, seeds=2))
    assert {value.known for value in found} == {"recalled"}
    named = {value.quantity: (value.value, value.networks) for value in found}
    assert len(found) == len(named) == 18
    assert named["with BN, layer 18: a/b"] == (251.8, pytest.approx([225, 250]))
    assert named["without BN, layer 54: a"] == (2.2e-4, pytest.approx([2.25e-5, 2.5e-5]))
    assert named["without BN, layer 90: b"] == (1.2e-4, pytest.approx([1e-5, 1e-5]))


def test_nothing_was_published_of_other_depths_layers_or_moments():
    table = sizes(WITH, WITHOUT, seeds=2)
    for elsewhere in (table.assign(depth=200), table.assign(after=1.0), table.assign(normalisation="batch-final")):
        assert claims.published(elsewhere) == []
    assert len(claims.published(table[table["layer"] != 54])) == 12
