import numpy as np
import pandas as pd
import pytest

from repro.experiments.step_landscape import claims
from repro.experiments.step_landscape.settings import COLUMNS
from repro.results.claims import Scale, judge
from repro.results.published_values import compare
from tests.experiments.step_landscape.test_show import FLAT, STEEP, STEPS
from tests.experiments.tables import keyed

PAPER = Scale(110, True)


def networks(
    with_: list[list[float]], without: list[list[float]], steps: tuple[float, ...] = STEPS, loss_before: float = 2.0
) -> pd.DataFrame:
    """Relative losses of each network, the same at mini-batches 1 and 4."""
    parts = []
    for normalisation, curves in (("batch", with_), ("none", without)):
        for seed, losses in enumerate(curves):
            rows = [
                (mini_batch, step, loss_before, loss)
                for mini_batch in (1, 4)
                for step, loss in zip(steps, losses, strict=True)
            ]
            parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of long steps with BN, of the explosion without, and of how much further steps reach."""
    cards, _ = judge("fig3", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def numbers(table: pd.DataFrame, claim: str) -> pd.DataFrame:
    _, found = judge("fig3", claims.CLAIMS, table, PAPER, "")
    return found[found["claim"] == claim]


def test_claims_are_decided_both_ways():
    assert verdicts(networks([FLAT] * 5, [STEEP] * 5)) == ["reproduced"] * 3
    assert verdicts(networks([STEEP] * 5, [FLAT] * 5)) == ["not reproduced"] * 3
    # Steps that explode without BN and with it prove nothing about BN.
    assert verdicts(networks([STEEP] * 5, [STEEP] * 5)) == ["not reproduced"] * 3


def test_undecided_when_networks_are_few_differ_or_the_steps_end_too_soon():
    assert verdicts(networks([FLAT] * 4, [STEEP] * 4)) == ["undecided"] * 3
    mixed = [FLAT, STEEP] * 3
    assert verdicts(networks(mixed, mixed)) == ["undecided"] * 3
    short = networks([FLAT] * 5, [STEEP] * 5, steps=(1e-6, 1e-5, 1e-4, 1e-3))
    assert verdicts(short) == ["undecided", "undecided", "reproduced"]
    cards, _ = judge("fig3", claims.CLAIMS, short, PAPER, "")
    assert [because.split(";")[0] for because in cards["because"]][:2] == [
        "a step of 0.025 is not among those examined",
        "no step as long as 0.01 was examined",
    ]


def test_a_loss_that_is_not_back_within_the_steps_is_back_at_an_unknown_one():
    # Neither is back: nothing is known of the ratio. With BN beyond 0.1, without at 1.3e-4: at least 700.
    assert verdicts(networks([FLAT] * 5, [FLAT] * 5))[2] == "undecided"
    found = numbers(networks([FLAT] * 5, [STEEP] * 5), "steps_reach_further_with")
    back = 10 ** (-4 + np.log10(1 / 0.5) / np.log10(100 / 0.5))
    assert found["low"].tolist() == pytest.approx([0.1 / back] * 2)
    assert found["high"].tolist() == [np.inf] * 2
    # With BN back at 1.3e-4, without beyond 0.1: at most a seven hundredth.
    found = numbers(networks([STEEP] * 5, [FLAT] * 5), "steps_reach_further_with")
    assert found["low"].tolist() == [0] * 2
    assert found["high"].tolist() == pytest.approx([back / 0.1] * 2)


def test_loss_at_a_step_between_two_is_interpolated():
    found = numbers(networks([FLAT] * 5, [STEEP] * 5), "long_step_lowers_loss_with")
    assert found["label"].tolist() == ["mini-batch 1", "mini-batch 4"]
    assert found["value"].tolist() == pytest.approx([0.7 + 0.1 * np.log10(2.5)] * 2)
    overflowing = [[1.0, 0.9, np.inf, np.nan]] * 5
    found = numbers(networks(overflowing, [STEEP] * 5), "long_step_lowers_loss_with")
    assert found["value"].tolist() == [np.inf] * 2


def test_every_mini_batch_has_to_hold():
    table = networks([FLAT] * 5, [STEEP] * 5)
    later = (table["normalisation"] == "none") & (table["mini_batch"] == 4)
    table.loc[later, "relative_loss"] = 0.5
    assert verdicts(table) == ["reproduced", "not reproduced", "undecided"]


def test_networks_whose_loss_had_overflowed_before_the_step_are_left_out():
    table = networks([FLAT] * 7, [STEEP] * 7)
    lost = table["seed"] < 2
    table.loc[lost, ["loss_before", "relative_loss"]] = np.inf, 0.0
    assert verdicts(table) == ["reproduced"] * 3
    _, found = judge("fig3", claims.CLAIMS, table, PAPER, "")
    assert set(found["networks"]) == {5}
    assert verdicts(networks([FLAT] * 5, [STEEP] * 5, loss_before=np.inf)) == ["undecided"] * 3


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    table = networks([FLAT] * 5, [STEEP] * 5)
    assert verdicts(table, scale) == ["not run at this scale"] * 3
    assert compare("fig3", claims.published, table, scale).empty


def test_claims_are_about_untrained_networks_and_need_one_with_and_one_without():
    pair, swapped = networks([FLAT] * 5, [STEEP] * 5), networks([STEEP] * 5, [FLAT] * 5)
    assert verdicts(pd.concat([pair, swapped.assign(after=0.5)], ignore_index=True)) == ["reproduced"] * 3
    other = pair[pair["normalisation"] == "batch"].assign(recipe="batch-batch16")
    assert verdicts(pd.concat([pair, other], ignore_index=True)) == ["undecided"] * 3
    assert verdicts(other) == ["undecided"] * 3


def test_published_values_stand_beside_each_networks_own():
    found = claims.published(networks([FLAT] * 3, [STEEP, FLAT, [2.0, 3.0, 4.0, 5.0]]))
    values = [0.025, 10**-0.07, 0.04, 10**-0.15, 2.4e-4, 0.1, 7e-4, 2.7e-3, 4.4e-3]
    assert [value.value for value in found] == values
    assert {value.known for value in found} == {"read off"}
    named = {value.quantity: value.networks for value in found}
    assert named["with BN, mini-batch 4: step at minimum"] == [1e-2] * 3
    # What never falls has its minimum where it begins; what is not reached keeps its place in the order.
    assert named["without BN, mini-batch 1: step at minimum"] == [1e-4, 1e-2, 0]
    assert named["without BN, mini-batch 1: minimum"] == [0.5, 0.7, 1]
    assert named["without BN, mini-batch 1: step back at 1"][1:] == [np.inf, 1e-4]
    assert named["without BN, mini-batch 4: step at 1e6"] == pytest.approx([10 ** (-3 + 4 / 6), np.inf, np.inf])
    seventh = networks([FLAT], [STEEP]).replace({"mini_batch": {4: 7}})
    assert [value.value for value in claims.published(seventh)][2:4] == [0.1, 10**-0.11]
    assert claims.published(networks([FLAT], [STEEP]).assign(after=0.5)) == []
