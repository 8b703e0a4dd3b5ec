import numpy as np
import pandas as pd
import pytest

from repro.experiments.output_gradients import claims
from repro.results.claims import Scale, judge
from tests.experiments.output_gradients.test_show import predictions

PAPER = Scale(110, True)
# Every label is class 0: nearly all of SINGLE's probability is in the wrong class, MIXED has no favourite.
MIXED, SINGLE = [[0.6, 0.4], [0.4, 0.6]], [[0.1, 0.9], [0.01, 0.99]]


def verdict(table: pd.DataFrame, scale: Scale = PAPER) -> str:
    cards, _ = judge("fig6", claims.CLAIMS, table, scale, "")
    return cards["verdict"].item()


def test_one_class_is_pushed_against_without_and_not_with():
    assert verdict(predictions(MIXED, SINGLE, seeds=6)) == "reproduced"
    assert verdict(predictions(MIXED, MIXED, seeds=6)) == "not reproduced"
    assert verdict(predictions(SINGLE, SINGLE, seeds=6)) == "not reproduced"
    assert verdict(predictions(SINGLE, MIXED, seeds=6)) == "not reproduced"


def test_a_network_that_is_sure_of_the_right_class_pushes_against_none():
    right = [[p, q] for q, p in SINGLE]
    assert verdict(predictions(MIXED, right, seeds=6)) == "not reproduced"


def test_undecided_when_networks_are_few_differ_or_overflow():
    assert verdict(predictions(MIXED, SINGLE, seeds=4)) == "undecided"
    assert verdict(predictions(MIXED, [[np.nan, np.nan]] * 2, seeds=6)) == "undecided"
    differ = [predictions(MIXED, without, seeds=3) for without in (SINGLE, MIXED)]
    assert verdict(pd.concat([differ[0], differ[1].assign(seed=differ[1]["seed"] + 3)])) == "undecided"


def test_numbers_by_hand():
    _, numbers = judge("fig6", claims.CLAIMS, predictions(MIXED, SINGLE, seeds=6), PAPER, "")
    assert numbers["value"].tolist() == pytest.approx([1.0, 0.0, 0.945 - 0.5])
    assert numbers["networks"].tolist() == [6] * 3


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_small_networks_and_synthetic_images_decide_nothing(scale):
    assert verdict(predictions(MIXED, SINGLE, seeds=6), scale) == "not run at this scale"


def test_it_takes_one_recipe_with_and_one_without():
    table = predictions(MIXED, SINGLE, seeds=6)
    other = table[table["normalisation"] == "none"].assign(recipe="none-batch8")
    assert verdict(pd.concat([table, other], ignore_index=True)) == "undecided"
    assert verdict(table[table["normalisation"] == "none"]) == "undecided"
    assert verdict(pd.concat([table, table.assign(after=0.5)], ignore_index=True)) == "reproduced"
