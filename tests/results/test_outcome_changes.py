"""What a factor changes, by seed, and what its best value gains."""

import numpy as np
import pandas as pd
import pytest

from repro.results import outcomes
from repro.results.claims import Undecided
from tests.results.outcomes_made import table

SHARES = (0.0, 0.1, 0.3, 0.5)


def scattered(seeds: int = 6) -> pd.DataFrame:
    """Accuracies so noisy that networks' best shares differ."""
    made = table("dropout", {(kind, share): 0.5 for kind in ("batch", "none") for share in SHARES}, seeds)
    return made.assign(test_accuracy=np.random.default_rng(1).uniform(0.3, 0.9, len(made)))


def test_change_is_end_minus_start_within_a_seed():
    made = scattered()
    found = outcomes.change(made, "dropout", 0.0, 0.5, normalisation="none")
    for seed in range(6):
        rows = made[(made["normalisation"] == "none") & (made["seed"] == seed)].set_index("dropout")
        expected = rows.loc[0.5, "test_accuracy"] - rows.loc[0.0, "test_accuracy"]
        assert found[seed] == pytest.approx(100 * expected)


def test_gain_is_at_the_share_that_is_best_for_all_other_networks():
    made = scattered()
    accuracy = {(row.normalisation, row.dropout, row.seed): row.test_accuracy for row in made.itertuples()}
    best = []
    for kind in ("batch", "none"):
        found = outcomes.gain(made, "dropout", normalisation=kind)
        for seed in range(6):
            means = {
                share: np.mean([accuracy[kind, share, other] for other in range(6) if other != seed])
                for share in SHARES[1:]
            }
            best.append(max(means, key=lambda share: means[share]))
            expected = accuracy[kind, best[-1], seed] - accuracy[kind, 0.0, seed]
            assert found[seed] == pytest.approx(100 * expected)
    assert len(set(best)) > 1


def test_gain_of_what_does_nothing_is_zero_on_average():
    # The largest of three means would gain half a point of the networks' standard deviation of one.
    random = np.random.default_rng(2)
    made = table("dropout", {("batch", share): 0.5 for share in SHARES}, 5)
    gains = [
        outcomes.gain(made.assign(test_accuracy=random.normal(0.5, 0.01, len(made))), "dropout").mean()
        for _ in range(100)
    ]
    assert abs(np.mean(gains)) < 4 * np.std(gains) / 10
    assert np.std(gains) / 10 < 0.1


def test_shares_at_which_a_network_diverged_do_not_compete():
    made = scattered()
    lost = made["dropout"].isin([0.1, 0.3]) & (made["seed"] == 2)
    made.loc[lost, ["train_accuracy", "test_accuracy", "rise"]] = np.nan
    made.loc[lost, "status"] = "diverged"
    found = outcomes.gain(made, "dropout", normalisation="batch")
    pd.testing.assert_series_equal(
        found, outcomes.change(made, "dropout", 0.0, 0.5, normalisation="batch"), check_names=False
    )
    with pytest.raises(Undecided, match="no dropout above 0 at which at least 3 networks"):
        outcomes.gain(made[made["dropout"] < 0.5], "dropout", normalisation="batch")


def test_trained_networks_are_enough_ended_and_level():
    made = scattered()
    with pytest.raises(Undecided, match="fewer than 3"):
        outcomes.trained(made[made["seed"] < 2], normalisation="batch", dropout=0.0)
    rising = made.assign(rise=0.1)
    with pytest.raises(Undecided, match="has not levelled off: 10"):
        outcomes.trained(rising, normalisation="batch", dropout=0.0)
    assert len(outcomes.trained(rising, False, normalisation="batch", dropout=0.0)) == 6
    with pytest.raises(Undecided, match="too short to say whether"):
        outcomes.trained(made.assign(rise=np.nan), normalisation="batch", dropout=0.0)
    with pytest.raises(Undecided, match=r"6 of 6 networks of batch-dropout0\.0 diverged"):
        outcomes.trained(made.assign(test_accuracy=np.nan), False, normalisation="batch", dropout=0.0)


def test_a_premise_has_to_show():
    outcomes.require_above_zero(pd.Series([1.0, 1.1, 1.2]), "it helps")
    with pytest.raises(Undecided, match=r"takes for granted that it helps, .* \(0\.1 points, -0\.\d+ to 0\.\d+\)"):
        outcomes.require_above_zero(pd.Series([-0.1, 0.1, 0.3]), "it helps")
    with pytest.raises(Undecided, match="it helps"):
        outcomes.require_above_zero(pd.Series([1.0, 1.0, 1.0]), "it helps")
