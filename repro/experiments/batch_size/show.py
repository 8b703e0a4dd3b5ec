"""Accuracy against the size of the mini-batch, at equal numbers of updates and of epochs."""

import pandas as pd
from matplotlib.figure import Figure

from repro.experiments.batch_size.settings import REFERENCE
from repro.results import outcome_figures
from repro.results.outcome_figures import Comparison

EPOCHS, UPDATES, OTHER = "equal epochs", "equal updates", "other"
ROUNDING = 0.05  # of epochs to a whole number; relative

COMPARISON = Comparison(
    "batch_size", "mini-batch, images", "log", ("test_accuracy", "change", "gap"), start=REFERENCE, panels="protocol"
)


def protocols(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `protocol`: what each recipe has in common with the one of 128 images.

    `equal epochs`: their number is that of its own normalisation's recipe of 128 images. `equal updates`: epochs over
    size are, and with them the number of updates, the images being the same. The recipe of 128 images itself is in
    both, in two rows. `other`: neither, or there is not one such recipe.
    """
    parts = []
    for _, group in table.groupby("normalisation", sort=False):
        at_reference = group[group["batch_size"] == REFERENCE]
        epochs = at_reference["epochs"].iloc[0] if at_reference["recipe"].nunique() == 1 else float("nan")
        same_epochs = group["epochs"] == epochs
        ratio = group["epochs"] / group["batch_size"] / (epochs / REFERENCE)
        same_updates = (ratio - 1).abs() <= ROUNDING
        neither = ~(same_epochs | same_updates)
        for protocol, chosen in ((EPOCHS, same_epochs), (UPDATES, same_updates), (OTHER, neither)):
            parts.append(group[chosen].assign(protocol=protocol))
    found = pd.concat(parts, ignore_index=True)
    order = {EPOCHS: 0, UPDATES: 1, OTHER: 2}
    return found.sort_values("protocol", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe and protocol accuracies and the difference from no BN at the same size."""
    return outcome_figures.summarise(protocols(table), COMPARISON)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy, its change from that at 128 images, and the gap to train accuracy, in a column per protocol."""
    return outcome_figures.plot(protocols(table), COMPARISON)
