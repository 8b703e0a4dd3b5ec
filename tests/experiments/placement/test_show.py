from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.placement import show
from repro.experiments.placement.show import AFTER, BEFORE
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table


def outcomes(relu: float = -0.05, tanh: float = 0.05, sigmoid: float = 0.1, seeds: int = 5) -> pd.DataFrame:
    """What BN after each activation gains over BN before it, with a scatter of a third of a point."""
    accuracies = {}
    for activation, gain in (("relu", relu), ("tanh", tanh), ("sigmoid", sigmoid)):
        accuracies |= {(BEFORE, activation): 0.6, (AFTER, activation): 0.6 + gain}
    made = table("activation", accuracies, seeds)
    return made.assign(test_accuracy=made["test_accuracy"] + np.random.default_rng(0).normal(0, 0.003, len(made)))


def test_the_figure_has_after_minus_before_for_each_activation(tmp_path: Path):
    figure = show.plot(outcomes())
    left, middle, _ = figure.axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["relu", "tanh", "sigmoid"]
    means = [line.get_ydata()[0] for line in middle.lines if line.get_marker() == "o"]
    assert means == pytest.approx([-5, 5, 10], abs=0.5)
    assert middle.get_ylabel() == "test accuracy,\nminus BN before the activation, points"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["BN before the activation", "BN after the activation"]
    summary, _ = show_and_judge("placement", outcomes(sigmoid=float("nan")), tmp_path)
    assert summary["diverged"].sum() == 5
