from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.weight_decay import show
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table

PENALTIES = (0.0, 1e-5, 5e-4, 5e-3)


def outcomes(
    with_: tuple[float, ...] = (0.7, 0.7, 0.71, 0.6), without: tuple[float, ...] = (0.5, 0.5, 0.6, 0.1), seeds: int = 5
) -> pd.DataFrame:
    """Test accuracy at each penalty, with a scatter of a third of a point, other in each recipe and seed."""
    made = table(
        "weight_decay",
        {
            (kind, penalty): accuracy
            for kind, accuracies in (("batch", with_), ("none", without))
            for penalty, accuracy in zip(PENALTIES, accuracies, strict=True)
        },
        seeds,
    )
    return made.assign(test_accuracy=made["test_accuracy"] + np.random.default_rng(0).normal(0, 0.003, len(made)))


def test_the_figure_has_no_penalty_beside_the_others(tmp_path: Path):
    made = outcomes(without=(0.5, 0.5, 0.6, float("nan")))
    left, middle, _ = show.plot(made).axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["0", "1e-5", "5e-4", "5e-3"]
    assert [text.get_text() for text in left.texts] == ["diverged: 5 without BN"]
    # Means of the changes from no penalty: three with BN, two without.
    means = [line.get_ydata()[0] for line in middle.lines if line.get_marker() == "o"]
    assert means == pytest.approx([0, 1, -10, 0, 10], abs=0.5)
    drawn = [line.get_xdata()[0] for line in middle.lines if line.get_marker() == "o"]
    assert drawn == pytest.approx([*PENALTIES[1:], *PENALTIES[1:3]], rel=0.4)
    summary, _ = show_and_judge("weight_decay", made, tmp_path)
    assert summary["diverged"].tolist() == [0] * 7 + [5]
