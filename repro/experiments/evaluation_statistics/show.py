"""Evaluation by several statistics: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from repro.experiments.evaluation_statistics.settings import BATCH, POPULATION, RUNNING, STANDING
from repro.results import statistics, style
from repro.results.cases import Case, cases

KEYS = {BATCH: "batch_size", STANDING: "averaging_momentum"}  # what there are several of


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `points`, accuracy minus that by the population's moments, and `nats`, the same of losses.

    Of the same network on the same images.
    """
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        nats = table["test_loss"].to_numpy() - table["population_loss"].to_numpy()
    return table.assign(points=100 * (table["test_accuracy"] - table["population_accuracy"]), nats=nats)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per case and statistics: accuracy, its paired difference from the population's with 90 % interval, and losses."""
    found = losses(table)
    rows = []
    for case in cases(table):
        keys = ["statistics", *KEYS.values()]
        for (name, size, momentum), networks in case.rows(found).groupby(keys, sort=False, dropna=False):
            points = statistics.mean(networks["points"])
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "statistics": name,
                    "b": "-" if np.isnan(size) else f"{size:g}",
                    "averaging momentum": "-" if np.isnan(momentum) else f"{momentum:g}",
                    "images": int(networks["images"].max()),
                    "test %, mean": 100 * networks["test_accuracy"].mean(),
                    "minus population, points": "-" if name == POPULATION else _interval(points),
                    "test loss, mean": networks["test_loss"].mean(),
                    "minus population, nats": networks["nats"].mean(),
                }
            )
    return pd.DataFrame(rows)


def _interval(estimate: statistics.Estimate) -> str:
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def plot(table: pd.DataFrame) -> Figure:
    """Accuracy minus that by the population's moments: against b, and of averages by their momentum."""
    found, compared = losses(table), cases(table)
    shown = [name for name in KEYS if (table["statistics"] == name).any()]
    figure, axes = style.panels(1, len(shown), width=3.6 * len(shown), height=3.2)
    for axis, name in zip(axes[0], shown, strict=True):
        for number, case in enumerate(compared):
            aside = 1.12 ** (number - (len(compared) - 1) / 2)
            _curve(axis, case, found[found["statistics"] == name], KEYS[name], aside)
            if name == STANDING:
                _own(axis, case, found[found["statistics"] == RUNNING])
        axis.axhline(0, ls=":", color="0.25", lw=1, zorder=0)
        values = np.sort(table[KEYS[name]].dropna().unique())
        axis.set(xscale="log")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(values, [f"{value:g}" for value in values])
    labels = {
        BATCH: ("normalised by mini-batches of b test images", "b"),
        STANDING: ("by averages over training mini-batches,\nweights standing still", "averaging momentum"),
    }
    for axis, name in zip(axes[0], shown, strict=True):
        axis.set_title(labels[name][0], fontsize=9)
        axis.set_xlabel(labels[name][1])
    axes[0, 0].set_ylabel("test accuracy minus that by the\npopulation's moments, points")
    handles = [Line2D([], [], color=case.colour, marker="o", ms=4, label=case.label) for case in compared]
    if STANDING in shown:
        handles.append(Line2D([], [], color="0.3", lw=0.8, label="the network's own running averages"))
    title = f"mean of {table['seed'].nunique()} seeds, each network faint; bars and bands: 90 % intervals of the mean"
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title=title, title_fontsize=8)
    return figure


def _curve(axis: Axes, case: Case, rows: pd.DataFrame, key: str, aside: float) -> None:
    """Against the batch size or the momentum: each network, and the mean with its interval; cases a little apart."""
    points = case.rows(rows).pivot(index=key, columns="seed", values="points")
    places = points.index.to_numpy() * aside
    axis.plot(places, points, ".", ms=3, color=case.colour, alpha=0.35)
    estimates = [statistics.mean(values) for values in points.to_numpy()]
    middle = [estimate.value for estimate in estimates]
    ends = [[each.value - each.low, each.high - each.value] for each in estimates]
    ends = np.nan_to_num(np.reshape(ends, (-1, 2)).T)
    axis.errorbar(places, middle, ends, fmt=f"o{case.line}", ms=4, lw=1.4, color=case.colour, capsize=3)


def _own(axis: Axes, case: Case, rows: pd.DataFrame) -> None:
    """The network's own running averages, as a line with a band."""
    estimate = statistics.mean(case.rows(rows)["points"])
    axis.axhline(estimate.value, color=case.colour, lw=0.8)
    if not np.isnan(estimate.low):
        axis.axhspan(estimate.low, estimate.high, color=case.colour, alpha=0.12, lw=0)
