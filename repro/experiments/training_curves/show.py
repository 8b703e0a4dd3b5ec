"""Figure 1: accuracy over the training cycle, and final accuracies."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.results import looks, style
from repro.results.cases import LINES


@dataclass(frozen=True)
class Curve:
    """How a recipe is called and drawn."""

    recipe: str
    normalisation: str
    rate: float
    label: str
    colour: str
    line: str  # matplotlib's style of its lines

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are about this recipe."""
        return table[table["recipe"] == self.recipe]


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """One row per recipe and seed: how it ended, and its accuracies after the last epoch if it finished.

    In the figure's order: one normalisation after another, each with its larger learning rates first.
    """
    last = table.sort_values("epoch").groupby(["recipe", "seed"], sort=False).tail(1)
    kept = last.copy()
    kept.loc[kept["status"] != "finished", ["train_accuracy", "test_accuracy"]] = np.nan
    order = ["normalisation", "initial_learning_rate", "recipe", "seed"]
    return kept.sort_values(order, ascending=[True, False, True, True])


def curves(table: pd.DataFrame) -> list[Curve]:
    """The recipes of a table: one hue per normalisation, darker for larger learning rates.

    A recipe is called by its normalisation and rate. Where several share these, each is called by its own name and
    has a line of its own.
    """
    recipes = outcomes(table).drop_duplicates("recipe")
    alike = recipes.groupby(["normalisation", "initial_learning_rate"])["recipe"]
    recipes = recipes.assign(place=alike.cumcount(), of=alike.transform("size"))
    result = []
    for kind, group in recipes.groupby("normalisation", sort=False):
        look = looks.normalisation(str(kind))
        shades = style.shades(look.colour, len(group))
        for shade, row in zip(shades, group.to_dict("records"), strict=False):
            rate = row["initial_learning_rate"]
            label = f"{look.name}, {rate:g}" if row["of"] == 1 else row["recipe"]
            result.append(Curve(row["recipe"], str(kind), rate, label, shade, LINES[row["place"] % len(LINES)]))
    return result


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe how many seeds finished and diverged, final accuracies, and how far training is ahead of test."""
    rows = []
    for curve in curves(table):
        ends = curve.rows(outcomes(table))
        rows.append(
            {
                "recipe": curve.recipe,
                "epochs": ends["epochs"].iloc[0],
                "finished": (ends["status"] == "finished").sum(),
                "diverged": (ends["status"] == "diverged").sum(),
                "final train %, mean": 100 * ends["train_accuracy"].mean(),
                "final test %, mean": 100 * ends["test_accuracy"].mean(),
                "final test %, std": 100 * ends["test_accuracy"].std(),
                "train - test %, mean": 100 * (ends["train_accuracy"] - ends["test_accuracy"]).mean(),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Train (left) and test accuracy (middle) over the cycle, mean and one std over seeds; final accuracy (right)."""
    figure, axes = style.panels(1, 3, width=9.6, height=3.2)
    finished = table[table["status"] == "finished"]
    for axis, quantity in zip(axes[0], ("train", "test"), strict=False):
        for curve in curves(table):
            chosen = curve.rows(finished)
            if chosen.empty:
                continue
            percent = 100 * chosen["epoch"] / chosen["epochs"]
            band = (100 * chosen[f"{quantity}_accuracy"]).groupby(percent).agg(["mean", "std"])
            label = f"{curve.label} ({chosen['seed'].nunique()} of {curve.rows(table)['seed'].nunique()} seeds)"
            axis.plot(band.index, band["mean"], curve.line, color=curve.colour, label=label)
            low, high = band["mean"] - band["std"], band["mean"] + band["std"]
            axis.fill_between(band.index, low, high, color=curve.colour, alpha=0.2, lw=0)
        axis.set(xlabel="% of training", ylabel=f"{quantity} accuracy, %", title=f"{quantity}", xlim=(0, 100))
    _final_accuracies(axes[0, 2], table)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(handles)))
    return figure


def _final_accuracies(axis: Axes, table: pd.DataFrame) -> None:
    """Final test accuracy against the learning rate; below, if networks diverged, a strip that counts them."""
    ends = outcomes(table)
    lost = ends[ends["status"] == "diverged"]
    lowest = axis
    if not lost.empty:
        place = axis.get_subplotspec()
        assert place is not None
        axis.remove()
        grid = place.subgridspec(2, 1, height_ratios=(8, 1 + lost["normalisation"].nunique()))
        axis, lowest = grid.subplots(sharex=True, squeeze=False)[:, 0]
        _count_diverged(lowest, lost)
    finals = {curve: 100 * curve.rows(ends)["test_accuracy"].dropna() for curve in curves(table)}
    kinds = {kind: looks.normalisation(kind) for kind in ends["normalisation"].unique()}
    for kind, look in kinds.items():
        own = [curve for curve, final in finals.items() if curve.normalisation == kind and len(final)]
        rates = [curve.rate for curve in own]
        if len(set(rates)) == len(rates):  # else recipes differ in more than their rate, which no line can show
            axis.plot(rates, [finals[curve].mean() for curve in own], color=look.colour)
        for curve in own:
            mean, deviation = finals[curve].mean(), finals[curve].std()
            axis.errorbar(curve.rate, mean, deviation, fmt="o", ms=4, color=curve.colour, capsize=3)
    axis.set(xscale="log", ylabel="final test accuracy, %", title="final, error bars ±1 std")
    lowest.set_xlabel("learning rate")
    axis.legend(
        handles=[Line2D([], [], color=look.colour, marker="o", ms=4, label=look.name) for look in kinds.values()]
    )


def _count_diverged(strip: Axes, lost: pd.DataFrame) -> None:
    """A cross and a number for the networks that diverged at each learning rate, a row for each normalisation."""
    groups = lost.groupby("normalisation", sort=False)["initial_learning_rate"]
    for row, (kind, rates) in enumerate(groups):
        colour = looks.normalisation(str(kind)).colour
        for rate, count in rates.value_counts().items():
            strip.plot(rate, row, "x", color=colour)
            strip.annotate(
                str(count),
                (rate, row),
                (-5, 0),
                textcoords="offset points",
                fontsize=6.5,
                color=colour,
                ha="right",
                va="center",
            )
    strip.set(ylim=(groups.ngroups - 0.3, -0.7), yticks=[])
    strip.set_ylabel("diverged,\nseeds", rotation=0, ha="right", va="center", fontsize=7)
    strip.set_facecolor("0.95")
