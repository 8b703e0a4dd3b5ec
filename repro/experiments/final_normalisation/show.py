"""Accuracy with BN everywhere, once at the end, and nowhere, against the learning rate."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison

COMPARISON = Comparison("learning_rate", "learning rate", "log", ("test_accuracy", "train_accuracy", "gap"))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and the difference from no BN at the same rate."""
    return outcome_figures.summarise(table, COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test and train accuracy and their gap against the learning rate."""
    return outcome_figures.plot(table, COMPARISON)
