"""Accuracy with batch normalisation before and after the activation, for each activation."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison

BEFORE, AFTER = "batch", "batch-after_activation"  # as tables call them

COMPARISON = Comparison(
    "activation",
    "activation",
    "words",
    ("test_accuracy", "difference", "train_accuracy"),
    against=BEFORE,
    names={BEFORE: "BN before the activation"},
)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and the difference from BN before the same activation."""
    return outcome_figures.summarise(table, COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy, after minus before within a seed, and train accuracy, for each activation."""
    return outcome_figures.plot(table, COMPARISON)
