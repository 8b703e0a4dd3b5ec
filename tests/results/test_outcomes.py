"""Comparisons of how training ended."""

import numpy as np
import pandas as pd
import pytest

from repro.results import outcomes
from repro.results.claims import Undecided
from tests.results.outcomes_made import network, table

FINALS = {("batch", 0.1): 0.6, ("batch", 0.3): 0.7, ("none", 0.1): 0.5, ("none", 0.3): float("nan")}


@pytest.fixture
def made() -> pd.DataFrame:
    return table("learning_rate", FINALS)


def test_quantities_are_per_cent_and_points(made: pd.DataFrame):
    first = made.iloc[[0]]
    assert outcomes.percent(first, "test_accuracy").item() == pytest.approx(60)
    assert outcomes.percent(first, "gap").item() == pytest.approx(30)
    assert outcomes.percent(first.assign(rise=0.02), "rise").item() == pytest.approx(2)


def test_one_recipe_is_chosen_by_its_values(made: pd.DataFrame):
    chosen = outcomes.at(made, normalisation="batch", learning_rate=0.3)
    assert chosen["recipe"].unique().tolist() == ["batch-learning_rate0.3"]
    with pytest.raises(Undecided, match="2 recipes with normalisation batch where it takes one"):
        outcomes.at(made, normalisation="batch")
    with pytest.raises(Undecided, match="0 recipes with learning_rate 7"):
        outcomes.at(made, learning_rate=7)


def test_differences_are_within_seeds(made: pd.DataFrame):
    with_ = outcomes.at(made, normalisation="batch", learning_rate=0.1)
    without = outcomes.at(made, normalisation="none", learning_rate=0.1)
    shuffled = with_.sample(frac=1, random_state=0)
    assert outcomes.difference(shuffled, without).to_numpy() == pytest.approx([10, 10, 10])
    assert outcomes.difference(with_, without.iloc[:2]).index.tolist() == [0, 1]
    assert outcomes.difference(with_, without, "gap").to_numpy() == pytest.approx([-10, -10, -10])
    lost = outcomes.at(made, normalisation="none", learning_rate=0.3)
    with pytest.raises(Undecided, match=r"3 of 3 networks of none-learning_rate0\.3 diverged"):
        outcomes.difference(with_, lost)


def test_the_best_value_is_one_at_which_no_network_diverged(made: pd.DataFrame):
    assert outcomes.best(made, "learning_rate", normalisation="batch") == 0.3
    assert outcomes.best(made, "learning_rate", normalisation="none") == 0.1
    one_lost = made.copy()
    one_lost.loc[(one_lost["recipe"] == "batch-learning_rate0.3") & (one_lost["seed"] == 1), "test_accuracy"] = np.nan
    assert outcomes.best(one_lost, "learning_rate", normalisation="batch") == 0.1
    with pytest.raises(Undecided, match=r"no learning rate at which all networks \(none\) ended"):
        outcomes.best(made[made["learning_rate"] == 0.3], "learning_rate", normalisation="none")


def test_training_has_levelled_off_when_it_rises_no_more():
    still = pd.DataFrame([network("batch", seed, 0.5, rise=0.001 * seed, dropout=0.0) for seed in range(3)])
    rising = pd.DataFrame([network("none", seed, 0.5, rise=0.03, dropout=0.0) for seed in range(3)])
    outcomes.require_levelled(still)
    with pytest.raises(Undecided, match=r"training of none-dropout0\.0 has not levelled off: 3\.0 points"):
        outcomes.require_levelled(still, rising)


def test_networks_are_counted(made: pd.DataFrame):
    chosen = outcomes.at(made, normalisation="batch", learning_rate=0.3)
    outcomes.require_networks(3, chosen)
    with pytest.raises(Undecided, match=r"3 networks of batch-learning_rate0\.3 are fewer than 4"):
        outcomes.require_networks(4, chosen)
