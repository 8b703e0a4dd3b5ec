from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.decay_speed import show
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table

SLOW, FAST = "0.5, 0.75", "0.0833, 0.125"


def outcomes(
    with_: tuple[float, float] = (0.7, 0.69),
    without: tuple[float, float] = (0.6, 0.4),
    seeds: int = 5,
    fast: str = FAST,
) -> pd.DataFrame:
    """Test accuracy after the slow and the fast decay, with a scatter of a third of a point."""
    accuracies = {("batch", SLOW): with_[0], ("batch", fast): with_[1]}
    accuracies |= {("none", SLOW): without[0], ("none", fast): without[1]}
    made = table("drops", accuracies, seeds)
    return made.assign(test_accuracy=made["test_accuracy"] + np.random.default_rng(0).normal(0, 0.003, len(made)))


def test_drops_are_ordered_by_the_first():
    assert show.first_drop(SLOW) == 0.5
    assert show.first_drop("0.75, 0.5") == 0.5
    assert show.first_drop("") == 1
    assert show.slowest(outcomes()) == SLOW


def test_the_figure_compares_with_the_slow_decay(tmp_path: Path):
    left, middle, right = show.plot(outcomes()).axes
    assert [label.get_text() for label in left.get_xticklabels()] == [SLOW, FAST]
    means = [line.get_ydata()[0] for line in middle.lines if line.get_marker() == "o"]
    assert means == pytest.approx([-1, -20], abs=0.5)
    assert right.get_ylabel() == "train accuracy, %"
    summary, _ = show_and_judge("decay_speed", outcomes(), tmp_path)
    assert len(summary) == 4
