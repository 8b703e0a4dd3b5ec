import pandas as pd
import pytest

from repro.experiments.evaluation_statistics import claims
from repro.experiments.evaluation_statistics.settings import BATCH
from repro.results.claims import Scale, judge
from tests.experiments.evaluation_statistics.test_show import evaluated

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> list[str]:
    """Of running averages, and of small mini-batches."""
    cards, _ = judge("evaluation", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def reasons(table: pd.DataFrame) -> list[str]:
    cards, _ = judge("evaluation", claims.CLAIMS, table, PAPER, "")
    return cards["because"].tolist()


def test_claims_are_decided_both_ways():
    assert verdicts(evaluated(running=0.2, smallest=-5)) == ["reproduced", "reproduced"]
    assert verdicts(evaluated(running=-3, smallest=2)) == ["not reproduced", "not reproduced"]
    assert verdicts(evaluated(running=3)) == ["not reproduced", "reproduced"]
    assert verdicts(evaluated(running=1.0, smallest=0.0, scatter=0.5)) == ["undecided", "undecided"]


def test_numbers_by_hand():
    _, numbers = judge("evaluation", claims.CLAIMS, evaluated(running=0.2, smallest=-5), PAPER, "")
    assert numbers["label"].tolist() == ["batch", "batch"]
    assert numbers["value"].tolist() == pytest.approx([0.2, -5], abs=0.15)
    assert (numbers["high"] - numbers["low"]).between(0.05, 0.6).all()
    assert numbers["networks"].tolist() == [4, 4]


def test_every_recipe_has_to_hold():
    table = pd.concat([evaluated(), evaluated(running=-3, recipe="batch-lr0.3")], ignore_index=True)
    assert verdicts(table) == ["not reproduced", "reproduced"]
    # What is not at its end does not count.
    table = pd.concat([evaluated(), evaluated(running=-3, after=0.5)], ignore_index=True)
    assert verdicts(table) == ["reproduced", "reproduced"]


def test_undecided_where_the_table_lacks_what_it_takes():
    assert reasons(evaluated(seeds=2)) == ["2 seeds of batch are fewer than 3"] * 2
    assert reasons(evaluated(after=0.5)) == ["no network at the end of its training"] * 2
    assert reasons(evaluated(accuracy=15.0)) == ["batch was not trained: 15.0 % of the test images"] * 2
    assert verdicts(evaluated(size=16)) == ["reproduced", "undecided"]
    assert reasons(evaluated(size=16))[1] == "no mini-batches of at most 8 test images"
    table = evaluated()
    assert verdicts(table[table["statistics"] != BATCH]) == ["reproduced", "undecided"]


def test_synthetic_images_decide_nothing():
    assert verdicts(evaluated(), Scale(110, False)) == ["not run at this scale"] * 2
    assert verdicts(evaluated(), Scale(8, True)) == ["reproduced"] * 2
