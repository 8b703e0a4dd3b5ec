"""Moments by depth while networks train: figure and numbers."""

import math

import pandas as pd
from matplotlib.figure import Figure

from repro.results import looks, style
from repro.results.cases import cases, moment

PANELS_IN_A_ROW = 4  # at most
LINES = {"log_standard_deviation": "-", "log_mean": ":"}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe and moment, means over seeds: ln(std) of the second layer and of the last convolution, and between.

    A diverged network is counted among the seeds up to where it was looked at last.
    """
    rows = []
    for case in cases(table):
        own = case.rows(table)
        by_layer = own.groupby("layer")["log_standard_deviation"].mean()
        second, last = by_layer.iloc[1], by_layer.iloc[-2]  # the first sees images, the last is the classifier
        rows.append(
            {
                "recipe": case.recipe,
                "after": case.after,
                "seeds": own["seed"].nunique(),
                "ln(std), second layer": second,
                "ln(std), last convolution": last,
                "growth": last - second,
            }
        )
    return pd.DataFrame(rows)


def titles(table: pd.DataFrame) -> dict[str, str]:
    """What each recipe's panel is called: normalisation and rate, or its own name where another has the same two."""
    recipes = table.drop_duplicates("recipe").set_index("recipe")
    kinds, rates = recipes["normalisation"], recipes["initial_learning_rate"]
    names = [f"{looks.normalisation(kind).name}, rate {rate:g}" for kind, rate in zip(kinds, rates, strict=True)]
    own = zip(recipes.index, names, strict=True)
    return {recipe: name if names.count(name) == 1 else recipe for recipe, name in own}


def plot(table: pd.DataFrame) -> Figure:
    """One panel per recipe: ln(std) (solid) and ln|mean| (dotted) against the layer, a colour per moment."""
    names = titles(table)
    rows = math.ceil(len(names) / PANELS_IN_A_ROW)
    columns = math.ceil(len(names) / rows)
    width, height = 2.6 * columns + 1.2, 2.3 * rows + 0.4
    figure, axes = style.panels(rows, columns, width=width, height=height, sharex=True, sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    shares = sorted(table["after"].unique())
    colours = dict(zip(shares, style.sequence(len(shares)), strict=True))
    for axis, (recipe, name) in zip(axes.flat, names.items(), strict=False):
        own = table[table["recipe"] == recipe]
        for share, then in own.groupby("after"):
            means = then.groupby("layer")[list(LINES)].mean()
            for column, line in LINES.items():
                label = moment(share) if line == "-" else None
                axis.plot(means.index, means[column], line, color=colours[share], label=label)
        axis.set_title(f"{name} ({own['seed'].nunique()} seeds)")
        axis.legend(fontsize=6.5, loc="upper left")
        axis.tick_params(labelbottom=True)
    figure.supxlabel("layer", fontsize=9)
    figure.supylabel("mean over channels and seeds of\nln(std), solid, and ln|mean|, dotted", fontsize=9)
    return figure
