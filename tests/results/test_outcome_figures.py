"""The figure and the summary that studies of outcomes share."""

import numpy as np
import pandas as pd
import pytest

from repro.results import outcome_figures, outcomes, statistics
from repro.results.outcome_figures import Comparison
from tests.results.outcomes_made import network, table

FINALS = {("batch", 0.0): 0.6, ("batch", 0.5): 0.5, ("none", 0.0): 0.55, ("none", 0.5): 0.3}
DROPOUT = Comparison("dropout", "dropout")


def jittered(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(test_accuracy=found["test_accuracy"] + 0.01 * np.cos(np.arange(len(found))))


def test_the_summary_against_explicit_means():
    found = jittered(table("dropout", FINALS))
    summary = outcome_figures.summarise(found, DROPOUT).set_index("recipe")
    own = found[found["recipe"] == "batch-dropout0.5"]
    row = summary.loc["batch-dropout0.5"]
    assert row["test accuracy, %, mean"] == pytest.approx(100 * own["test_accuracy"].mean())
    assert row["test accuracy, std"] == pytest.approx(100 * own["test_accuracy"].std(ddof=1))
    other = found[found["recipe"] == "none-dropout0.5"]
    expected = statistics.mean(100 * (own["test_accuracy"].to_numpy() - other["test_accuracy"].to_numpy()))
    told = row["test accuracy minus without BN, points"]
    assert told == f"{expected.value:.2f} ({expected.low:.2f} to {expected.high:.2f})"
    assert summary.loc["none-dropout0.0", "test accuracy minus without BN, points"] == "-"


def test_the_figure_shows_means_networks_and_differences():
    found = jittered(table("dropout", FINALS))
    accuracy, gap, difference = outcome_figures.plot(found, DROPOUT).axes
    assert accuracy.get_ylabel() == outcomes.QUANTITIES["test_accuracy"]
    assert gap.get_ylabel() == outcomes.QUANTITIES["gap"]
    means = [line for line in accuracy.lines if line.get_linewidth() > 1]
    expected = [
        [100 * found[found["recipe"] == f"{kind}-dropout{p}"]["test_accuracy"].mean() for p in (0.0, 0.5)]
        for kind in ("batch", "none")
    ]
    np.testing.assert_allclose([line.get_ydata() for line in means], expected)
    assert len(difference.containers) == 2  # an interval for each dropout


def test_diverged_networks_are_counted_and_leave_a_gap():
    lost = jittered(table("dropout", FINALS | {("none", 0.5): float("nan")}))
    axes = outcome_figures.plot(lost, DROPOUT).axes
    assert [text.get_text() for text in axes[0].texts] == ["diverged: 3 without BN"]
    assert len(axes[2].containers) == 1


def test_words_stand_side_by_side_and_a_second_factor_makes_panels():
    rows = [
        network(kind, seed, 0.5 + 0.01 * seed, activation=activation, gain=gain)
        for kind in ("batch", "none")
        for activation in ("relu", "tanh")
        for gain in (0.1, 1.0, 10.0)
        for seed in range(3)
    ]
    made = pd.DataFrame(rows)
    comparison = Comparison("gain", "gain", "log", ("train_accuracy",), panels="activation")
    axes = outcome_figures.plot(made, comparison).axes
    assert [axis.get_title() for axis in axes] == ["relu", "tanh"]
    words = Comparison("activation", "activation", "words", ("test_accuracy",))
    axis = outcome_figures.plot(made[made["gain"] == 1.0], words).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["relu", "tanh"]
