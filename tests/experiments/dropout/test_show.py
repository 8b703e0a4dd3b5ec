from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.dropout import show
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table

SHARES = (0.0, 0.2, 0.5)


def accuracies(with_: tuple[float, ...] = (0.7, 0.7, 0.6), without: tuple[float, ...] = (0.5, 0.6, 0.55)) -> dict:
    """Test accuracy at each share with BN and without."""
    made = {("batch", share): value for share, value in zip(SHARES, with_, strict=True)}
    return made | {("none", share): value for share, value in zip(SHARES, without, strict=True)}


def scattered(*values: tuple[float, ...], seeds: int = 5) -> pd.DataFrame:
    """A table whose networks also differ by a scatter of half a point, other in each recipe and seed."""
    made = table("dropout", accuracies(*values), seeds)
    scatter = np.random.default_rng(0).normal(0, 0.005, len(made))
    return made.assign(test_accuracy=made["test_accuracy"] + scatter)


def test_summary_has_the_difference_from_no_bn_at_the_same_dropout():
    summary = show.summarise(table("dropout", accuracies(), seeds=3)).set_index("recipe")
    assert summary.loc["batch-dropout0.5", "test accuracy, %, mean"] == pytest.approx(61)
    told = summary["test accuracy minus without BN, points"]
    assert told["none-dropout0.5"] == "-"
    assert told["batch-dropout0.5"].startswith("5.00")


def test_the_figure_has_accuracy_its_change_and_the_gap():
    left, middle, right = show.plot(table("dropout", accuracies(), seeds=3)).axes
    bold = [line for line in left.lines if line.get_linewidth() == 1.8]
    assert np.asarray([line.get_ydata() for line in bold]) == pytest.approx(
        100 * np.array([(0.71, 0.71, 0.61), (0.51, 0.61, 0.56)])
    )
    assert "minus that at 0" in middle.get_ylabel()
    faint = [line.get_ydata() for line in middle.lines if line.get_marker() == "."]
    # From no dropout to 0.2 and 0.5, with BN and then without, of three seeds each.
    assert np.asarray(faint) == pytest.approx(np.repeat([[0.0], [-10], [10], [5]], 3, axis=1))
    assert right.get_ylabel().startswith("train minus test")


def test_diverged_networks_are_counted(tmp_path: Path):
    made = scattered((0.7, 0.7, 0.6), (0.5, 0.6, float("nan")))
    left, _, _ = show.plot(made).axes
    assert [text.get_text() for text in left.texts] == ["diverged: 5 without BN"]
    summary, _ = show_and_judge("dropout", made, tmp_path)
    assert summary["diverged"].sum() == 5
