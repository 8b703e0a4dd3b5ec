"""Updates until a test accuracy is reached, with batch normalisation and without."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.results import looks, statistics, style

SHARES = (0.5, 0.75, 0.95)  # of the way from chance to the accuracy that both reach
CHANCE = 0.1
LINES = (":", "--", "-")


def targets(table: pd.DataFrame) -> list[float]:
    """Three test accuracies that both normalisations reach, as shares of 1.

    The last epoch's accuracy, in the mean over seeds and at the best rate of each, is taken of the worse one; the
    targets are `SHARES` of the way from chance to there. None where only one normalisation has a rate at which every
    network ended.
    """
    finished = table[table["status"] == "finished"]
    last = finished[finished["epoch"] == finished["epochs"]]
    complete = last.groupby(["normalisation", "recipe"])["test_accuracy"].agg(["mean", "size"])
    complete = complete[complete["size"] == table["seed"].nunique()]
    reached = complete["mean"].groupby("normalisation").max()
    if not {"batch", "none"} <= set(reached.index):
        return []
    least = float(reached[["batch", "none"]].min())
    return [CHANCE + share * (least - CHANCE) for share in SHARES] if least > CHANCE else []


def updates_to(table: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    """Updates after which each network's test accuracy had first reached a value at the end of an epoch.

    One row per network: recipe, normalisation, initial_learning_rate, seed, updates (NaN: never).
    """
    keys = ["recipe", "normalisation", "initial_learning_rate", "seed"]
    reached = table["steps"].where(table["test_accuracy"] >= accuracy)
    return reached.groupby([table[key] for key in keys], sort=False).min().reset_index(name="updates")


def fastest(table: pd.DataFrame, accuracy: float, normalisation: str) -> pd.Series:
    """`updates_to` by seed at the rate where their geometric mean is smallest, of rates at which every seed arrives.

    The series is called by that rate; empty where there is none.
    """
    found = updates_to(table[table["normalisation"] == normalisation], accuracy)
    found = found.assign(log=np.log(found["updates"]))
    means = found.groupby("initial_learning_rate")["log"].agg(lambda each: each.mean(skipna=False)).dropna()
    if means.empty:
        return pd.Series(dtype=float)
    rate = means.idxmin()
    chosen = found[found["initial_learning_rate"] == rate]
    return chosen.set_index("seed")["updates"].rename(float(rate))


def ratio(table: pd.DataFrame, accuracy: float) -> statistics.Estimate:
    """Decadic logarithm of updates without BN over those with, each at its fastest rate, in the mean over seeds."""
    with_, without = (fastest(table, accuracy, kind) for kind in ("batch", "none"))
    return statistics.mean(np.log10(without / with_).dropna())


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per target the updates to it, each at its fastest rate, and their ratio with its 90 % interval."""
    rows = []
    for accuracy in targets(table):
        with_, without = (fastest(table, accuracy, kind) for kind in ("batch", "none"))
        found = ratio(table, accuracy)
        told = f"{10**found.value:.2f} ({10**found.low:.2f} to {10**found.high:.2f})"
        accuracies = (100 * accuracy, with_.name, with_.mean(), without.name, without.mean(), told)
        rows.append(accuracies)
    columns = ["test accuracy, %", "fastest rate with BN", "updates with BN, mean", "fastest rate without"]
    columns += ["updates without, mean", "without / with, geometric mean"]
    return pd.DataFrame(rows, columns=columns)


def plot(table: pd.DataFrame) -> Figure:
    """Test accuracy against updates for every rate (left); updates to each target at the fastest rate (right)."""
    figure, axes = style.panels(1, 2, width=8.2, height=3.4, width_ratios=(3, 2))
    left, right = axes[0]
    goals = targets(table)
    finished = table[table["status"] == "finished"]
    handles = []
    for kind, group in finished.groupby("normalisation", sort=False):
        look = looks.normalisation(str(kind))
        rates = sorted(group["initial_learning_rate"].unique(), reverse=True)
        for colour, rate in zip(style.shades(look.colour, len(rates)), rates, strict=False):
            mean = 100 * group[group["initial_learning_rate"] == rate].groupby("steps")["test_accuracy"].mean()
            left.plot(mean.index, mean, color=colour, lw=1.3)
            handles.append(Line2D([], [], color=colour, label=f"{look.name}, {rate:g}"))
    for goal, line in zip(goals, LINES, strict=False):
        left.axhline(100 * goal, ls=line, color="0.4", lw=0.8)
    left.set(xlabel="updates", ylabel="test accuracy, %", title="every rate, mean over seeds")
    _updates(right, table, goals)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, max(1, len(handles))))
    return figure


def _updates(axis: Any, table: pd.DataFrame, goals: Sequence[float]) -> None:
    """Each network's updates to each goal, and the ratio of geometric means with its interval."""
    for place, goal in enumerate(goals):
        found = {kind: fastest(table, goal, kind) for kind in ("batch", "none")}
        for kind, updates in found.items():
            look = looks.normalisation(kind)
            shifted = place + (-0.15 if kind == "batch" else 0.15)
            axis.plot(np.full(len(updates), shifted), updates, ".", color=look.colour, alpha=0.5)
            if len(updates):
                axis.plot(shifted, np.exp(np.log(updates).mean()), "o", color=look.colour)
        times = ratio(table, goal)
        interval = "" if np.isnan(times.low) else f"\n({10**times.low:.2g} to {10**times.high:.2g})"
        axis.annotate(
            "never" if np.isnan(times.value) else f"{10**times.value:.2g} times{interval}",
            (place, 0.97),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=7,
        )
    axis.set(yscale="log", ylabel="updates until reached", title="each at its fastest rate")
    axis.set_xticks(range(len(goals)), [f"{100 * goal:.0f} %" for goal in goals])
    axis.set(xlabel="test accuracy", xlim=(-0.6, max(len(goals), 1) - 0.4))
    low, high = axis.get_ylim()
    axis.set_ylim(low / 1.3, high * 3)
