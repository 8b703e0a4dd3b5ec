import numpy as np
import pandas as pd
import pytest

from repro.experiments.gradient_histogram import claims
from repro.results.claims import Scale, judge
from repro.results.published_values import compare
from tests.experiments.gradient_histogram.test_show import gradients, normal

PAPER = Scale(110, True)


def heavy(seeds: int, scale: float = 1.0) -> list[np.ndarray]:
    return [scale * values**3 for values in normal(seeds, 1.0)]


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of the claim on sizes and of the one on tails."""
    cards, _ = judge("fig2", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(gradients(normal(6, 0.01), heavy(6))) == ["reproduced"] * 2
    assert verdicts(gradients(normal(6, 0.01), normal(6, 0.05))) == ["not reproduced"] * 2
    # Tails as heavy with BN say nothing about networks without.
    assert verdicts(gradients(heavy(6, 0.01), heavy(6))) == ["reproduced", "not reproduced"]


def test_networks_of_different_sizes_have_no_heavy_tails_because_they_would_if_pooled():
    sizes = [0.3, 0.5, 1.0, 2.0, 4.0, 9.0]
    without = [scale * values for scale, values in zip(sizes, normal(6, 1.0), strict=True)]
    assert pd.Series(np.concatenate(without)).kurt() > 3
    assert verdicts(gradients(normal(6, 0.01), without)) == ["reproduced", "not reproduced"]


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdicts(gradients(normal(4, 0.01), heavy(4))) == ["undecided"] * 2
    assert verdicts(gradients(normal(6, 0.01), [np.full(10, np.nan)] * 6)) == ["undecided"] * 2
    differ = [*heavy(3), *(0.01 * values for values in normal(6, 1.0)[3:])]
    assert verdicts(gradients(normal(6, 0.01), differ)) == ["undecided"] * 2


def test_numbers_are_medians_of_what_each_network_says():
    with_, without = normal(7, 0.01), heavy(7)
    _, numbers = judge("fig2", claims.CLAIMS, gradients(with_, without), PAPER, "")
    ratios = [b.std(ddof=1) / a.std(ddof=1) for a, b in zip(with_, without, strict=True)]
    tails = [pd.Series(values).kurt() for values in without]
    expected = [np.median(ratios), np.median(tails)]
    assert numbers["value"].tolist()[:2] == pytest.approx(expected, rel=1e-5)
    assert numbers["networks"].tolist() == [7] * 3


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    table = gradients(normal(6, 0.01), heavy(6))
    assert verdicts(table, scale) == ["not run at this scale"] * 2
    assert compare("fig2", claims.published, table, scale).empty


def test_it_takes_one_recipe_with_and_one_without():
    table = gradients(normal(6, 0.01), heavy(6))
    other = table[table["normalisation"] == "none"].assign(recipe="none-other")
    assert verdicts(pd.concat([table, other], ignore_index=True)) == ["undecided"] * 2
    assert verdicts(table[table["normalisation"] == "none"]) == ["undecided"] * 2
    assert verdicts(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == ["reproduced"] * 2


def test_published_values_stand_beside_each_networks_own():
    with_, without = normal(5, 0.012), [3 * values for values in normal(5, 1.0)]
    found = claims.published(gradients(with_, without))
    assert [value.value for value in found] == [0.012, -0.018, -0.006, 0.009, 0.022, 0.92, -1.8, 1.4, 76.0]
    assert {value.known for value in found} == {"read off"}
    assert len({value.quantity for value in found}) == 9
    clipped = [values[(values >= -4) & (values <= 4.3)].std(ddof=1) for values in without]
    widths = [values.std(ddof=1) for values in with_]
    assert found[0].networks == pytest.approx(widths, rel=1e-5)
    assert found[1].networks == pytest.approx([np.quantile(values, 0.05) for values in with_], rel=1e-5)
    assert found[5].networks == pytest.approx(clipped, rel=1e-5)
    assert found[7].networks == pytest.approx([np.quantile(values, 0.95) for values in without], rel=1e-5)
    assert found[8].networks == pytest.approx(np.divide(clipped, widths), rel=1e-5)
    compared = compare("fig2", claims.published, gradients(with_, without), PAPER)
    assert compared["inside"].tolist()[0] == (min(widths) <= 0.012 <= max(widths))


def test_nothing_was_published_of_other_layers_or_moments():
    with_, without = normal(2, 0.012), normal(2, 1.0)
    assert claims.published(gradients(with_, without, depth=110, layer=13)) == []
    assert claims.published(gradients(with_, without).assign(after=0.5)) == []
    alone = claims.published(gradients(with_, without).query("normalisation == 'none'"))
    assert [value.value for value in alone] == [0.92, -1.8, 1.4]
