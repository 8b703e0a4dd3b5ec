"""Accuracy with and without batch normalisation against the L2 penalty."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison


def _written(penalty: float) -> str:
    """Like 5e-4, in at most two digits."""
    digits, power = f"{penalty:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}" if penalty else "0"


COMPARISON = Comparison(
    "weight_decay", "L2 penalty", "log", ("test_accuracy", "change", "gap"), start=0.0, words=_written
)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies and the difference from no BN at the same penalty."""
    return outcome_figures.summarise(table, COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy, what the penalty changes in it, and the gap between train and test, against the penalty."""
    return outcome_figures.plot(table, COMPARISON)
