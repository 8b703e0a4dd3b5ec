"""Train accuracy after a short training, against how the weights were initialised."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import looks, outcome_figures
from repro.results.outcome_figures import Comparison

CHANCE = 0.1  # of ten classes
TRAINS = 2 * CHANCE  # train accuracy above which a network counts as trained

COMPARISON = Comparison(
    "gain", "factor on the weights", "log", ("train_accuracy", "difference"), panels="initialisation"
)


def by_network(table: pd.DataFrame) -> pd.DataFrame:
    """Over the cells, pairs of scheme and gain, that each normalisation has, indexed by normalisation and seed.

    `cells`: how many; `share`: of those that train, whose train accuracy lies above `TRAINS`; `spread`: standard
    deviation of train accuracy, in points. A diverged network has not trained: it counts as at chance.
    """
    kinds = table["normalisation"].nunique()
    common = table.groupby(["initialisation", "gain"])["normalisation"].transform("nunique") == kinds
    accuracy = table["train_accuracy"].fillna(CHANCE)
    chosen = table.assign(accuracy=100 * accuracy, trains=accuracy > TRAINS)[common]
    found = chosen.groupby(["normalisation", "seed"], sort=False)
    return found.agg(cells=("trains", "size"), share=("trains", "mean"), spread=("accuracy", "std"))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe accuracies; before them, per normalisation, from which share of the cells networks train."""
    cells = by_network(table).groupby("normalisation", sort=False)
    rows = [
        {
            "recipe": f"all cells, {looks.normalisation(str(kind)).name}",
            "share of cells that train, mean": networks["share"].mean(),
            "spread over cells, points, mean": networks["spread"].mean(),
        }
        for kind, networks in cells
    ]
    return pd.concat([pd.DataFrame(rows), outcome_figures.summarise(table, COMPARISON)], ignore_index=True)


def plot(table: pd.DataFrame) -> Figure:
    """Train accuracy and its difference from no BN against the gain, in a column per scheme."""
    figure = outcome_figures.plot(table, COMPARISON)
    for axis, scheme in zip(figure.axes, pd.unique(table["initialisation"]), strict=False):  # the upper row
        axis.axhline(100 * TRAINS, ls=":", color="0.25", lw=1, zorder=0)
        axis.set_title(looks.initialisation(str(scheme)).name)
    return figure
