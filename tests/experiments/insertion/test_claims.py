import math

import pandas as pd
import pytest

from repro.experiments.insertion import claims
from repro.experiments.insertion.settings import IDENTITY, ORIGINAL, STANDARDISED
from repro.results.claims import Scale, judge
from tests.experiments.insertion.test_show import GAINING, both, inserted

REAL, SYNTHETIC = Scale(8, True), Scale(8, False)


def judged(table: pd.DataFrame, scale: Scale = REAL) -> tuple[list[str], list[str], pd.DataFrame]:
    """Verdicts and reasons: unchanged when undone, changed when not, gain of residual and plain; and the numbers."""
    cards, numbers = judge("inserted", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist(), cards["because"].tolist(), numbers


def test_what_is_said_is_reproduced_where_it_is_so():
    assert judged(both())[0] == ["reproduced"] * 4


def test_each_claim_can_fail():
    losing = GAINING | {
        IDENTITY: (0.6, (0.58, 0.56, 0.57)),
        STANDARDISED: ((0.59, 0.6, 0.61), 0.6),
    }
    assert judged(both(accuracy=losing, rounding=1e-4))[0] == ["not reproduced"] * 4


def test_residual_and_plain_networks_are_judged_apart():
    losing = GAINING | {IDENTITY: (0.6, (0.58, 0.56, 0.57))}
    table = pd.concat([inserted(), inserted(losing, shortcut="none")], ignore_index=True)
    assert judged(table)[0][2:] == ["reproduced", "not reproduced"]
    same = GAINING | {STANDARDISED: ((0.59, 0.6, 0.61), 0.6)}
    # Both have to fall, and both have to stay the same.
    assert judged(pd.concat([inserted(), inserted(same, shortcut="none")]))[0][1] == "not reproduced"
    assert judged(pd.concat([inserted(), inserted(shortcut="none", rounding=1e-4)]))[0][0] == "not reproduced"


def test_numbers_are_paired_by_seed():
    _, _, numbers = judged(both())
    assert numbers["value"].tolist() == pytest.approx([1e-7, 1e-7, 30, 30, 7, 7])
    assert numbers["label"].tolist()[:4] == ["plain", "residual", "residual", "plain"]
    assert numbers["networks"].tolist() == [0, 0, 3, 3, 3, 3]


def test_every_network_has_to_be_unchanged():
    table = both()
    one = (table["variant"] == IDENTITY) & (table["seed"] == 1) & (table["moment"] == "inserted")
    assert judged(table.assign(largest_change=table["largest_change"].mask(one, 1.0)))[0][0] == "not reproduced"
    assert judged(table.assign(largest_change=table["largest_change"].mask(one, math.nan)))[0][0] == "undecided"


def test_undecided_with_few_seeds_untrained_or_diverged_networks():
    assert judged(both(seeds=2))[0] == ["reproduced", "undecided", "undecided", "undecided"]
    guessing = {ORIGINAL: (0.1, 0.1), IDENTITY: (0.1, 0.3), STANDARDISED: (0.02, 0.3)}
    found, because, _ = judged(both(accuracy=guessing))
    assert found[1:] == ["undecided"] * 3
    assert because[2] == "residual networks were not trained: 10.0 % of the test images"
    found, because, _ = judged(both(accuracy=GAINING | {IDENTITY: (0.6, (math.nan, 0.7, 0.69))}))
    assert found == ["reproduced", "reproduced", "undecided", "undecided"]
    assert because[3] == "1 of plain networks diverged in fine-tuning; lower its learning rate"
    # What is not compared may diverge.
    assert judged(both(accuracy=GAINING | {STANDARDISED: ((0.3, 0.2, 0.4), math.nan)}))[0] == ["reproduced"] * 4


def test_undecided_without_a_kind_or_with_several_recipes_of_it():
    found, because, _ = judged(inserted())
    assert found == ["reproduced", "undecided", "reproduced", "undecided"]
    assert because[3] == "it takes one trained recipe of plain networks without BN"
    table = both()
    assert judged(pd.concat([table, table.assign(recipe=table["recipe"] + "-lr0.01")]))[0][1:] == ["undecided"] * 3
    assert judged(both(after=0.5))[0] == ["reproduced", "undecided", "undecided", "undecided"]
    assert judged(pd.concat([table, table.assign(after=0.5)]))[0] == ["reproduced"] * 4


def test_mathematics_needs_no_scale_and_networks_need_real_images():
    assert judged(both(), SYNTHETIC)[0] == ["reproduced", *["not run at this scale"] * 3]
