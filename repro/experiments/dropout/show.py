"""Accuracy with and without batch normalisation against the share of activations that are dropped."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison

COMPARISON = Comparison("dropout", "dropout, share p", views=("test_accuracy", "change", "gap"), start=0.0)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and the difference from no BN at the same dropout."""
    return outcome_figures.summarise(table, COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy, what dropout changes in it, and the gap between train and test, against dropout."""
    return outcome_figures.plot(table, COMPARISON)
