"""Accuracy with and without batch normalisation after a slow and after a fast decay of the learning rate."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison


def first_drop(drops: str) -> float:
    """The share of training after which the rate first drops, from the table's text like `0.5, 0.75`; 1: never."""
    return min((float(share) for share in drops.split(", ") if share), default=1.0)


def slowest(table: pd.DataFrame) -> str:
    """The drops of the table that come last."""
    return max(table["drops"].unique(), key=first_drop)


def _comparison(table: pd.DataFrame) -> Comparison:
    views = ("test_accuracy", "change", "train_accuracy")
    return Comparison("drops", "shares of training at which the rate drops", "words", views, start=slowest(table))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and the difference from no BN with the same decay."""
    return outcome_figures.summarise(table, _comparison(table))


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy, its change from the slowest decay within a seed, and train accuracy, for each decay."""
    return outcome_figures.plot(table, _comparison(table))
