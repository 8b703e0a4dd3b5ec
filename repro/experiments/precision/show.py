"""Accuracy after training in float32 and in bfloat16."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison

START, REDUCED = "float32", "bfloat16"
COMPARISON = Comparison("precision", "precision", "words", ("test_accuracy", "change", "train_accuracy"), start=START)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and how many networks ended."""
    return outcome_figures.summarise(table, COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy in each precision, its change from float32 within a seed, and train accuracy."""
    return outcome_figures.plot(table, COMPARISON)
