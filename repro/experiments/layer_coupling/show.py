"""The coupling of layers: matrices, and how much of them is off the diagonal."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from repro.results import statistics, style
from repro.results.cases import Case, cases, moment
from repro.settings.experiment import NETWORK_COLUMNS

NETWORK = list(NETWORK_COLUMNS)


def masses(table: pd.DataFrame) -> pd.DataFrame:
    """Of each network and moment: `share` and `others`, from c_ij, the change of layer i's gradient by layer j's step.

    `share` = sum over i != j of c_ij / sum over all: how much of what a step changes is in other layers. `others` =
    exp of the mean over i != j of ln c_ij. NaN where a change is missing, zero (`others`) or not finite.
    """
    rows = []
    for network, own in table.groupby(NETWORK, sort=False):
        off = own["moved"] != own["layer"]
        with np.errstate(all="ignore"):
            values = own["change"].where(np.isfinite(own["change"]))
            share = values[off].sum(skipna=False) / values.sum(skipna=False)
            others = np.exp(np.log(values[off].where(values[off] > 0)).mean(skipna=False))
        rows.append((*network, share, others))
    return pd.DataFrame(rows, columns=[*NETWORK, "share", "others"])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe and moment: medians over seeds of `masses`, with their range."""
    found = masses(table)
    rows = []
    for case in cases(table):
        own = case.rows(found)
        row: dict[str, object] = {"recipe": case.recipe, "after": case.after, "networks": len(own)}
        for name, label in (("share", "share off the diagonal"), ("others", "change of other layers' gradients")):
            values = own[name].dropna()
            row[label] = "-"
            if len(values):
                low, middle, high = values.quantile([0, 0.5, 1])
                row[label] = f"{middle:.3g} ({low:.3g} to {high:.3g})"
        rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Matrices at the last moment, the median over seeds, a panel for each recipe; the share off the diagonal."""
    last = table[table["after"] == table["after"].max()]
    matrices = cases(last)
    count = len(matrices)
    figure, axes = style.panels(1, count + 1, width=3.0 * (count + 1) + 0.4, height=3.1)
    finite = last["change"][np.isfinite(last["change"]) & (last["change"] > 0)]
    scale = LogNorm(*finite.quantile([0.01, 0.99])) if len(finite) else LogNorm(1e-3, 1)
    for axis, case in zip(axes[0, :count], matrices, strict=True):
        image = _matrix(axis, case, last, scale)
    bar = figure.colorbar(image, ax=axes[0, :count], shrink=0.8, pad=0.02)
    bar.set_label("relative change of the gradient", fontsize=8)
    _shares(axes[0, count], table)
    return figure


def _matrix(axis: Axes, case: Case, table: pd.DataFrame, scale: LogNorm) -> AxesImage:
    """Which layer moved (horizontally) changes whose gradient (vertically) by how much."""
    middle = case.rows(table).groupby(["layer", "moved"])["change"].median().unstack("moved")
    image = axis.imshow(middle.where(np.isfinite(middle)), norm=scale, cmap="viridis", origin="upper")
    for place, numbers in ((axis.xaxis, middle.columns), (axis.yaxis, middle.index)):
        place.set_ticks(range(len(numbers)), [str(number) for number in numbers], fontsize=7)
    axis.set(xlabel="layer that moved", ylabel="layer whose gradient changed")
    axis.set_title(f"{case.label.split(',')[0]}, {moment(case.after)}")
    return image


def _shares(axis: Axes, table: pd.DataFrame) -> None:
    """The share off the diagonal against training: each seed faint, the mean and its 90 % interval."""
    found = masses(table)
    moments = sorted(found["after"].unique())
    recipes = cases(table.assign(after=0.0))
    for number, case in enumerate(recipes):
        own = found[found["recipe"] == case.recipe].pivot(index="after", columns="seed", values="share")
        own = own.reindex(moments)
        shift = 0.08 * (number - (len(recipes) - 1) / 2)
        places = np.arange(len(moments)) + shift
        axis.plot(places, own, ".", ms=3, color=case.colour, alpha=0.35)
        estimates = [statistics.mean(row.to_numpy()) for _, row in own.iterrows()]
        middle = [estimate.value for estimate in estimates]
        ends = np.abs([[each.value - each.low, each.high - each.value] for each in estimates]).T
        axis.errorbar(
            places, middle, np.nan_to_num(ends), fmt="o-", ms=4, color=case.colour, capsize=3, label=case.label
        )
    axis.set_xticks(range(len(moments)), [f"{100 * after:g}" for after in moments])
    axis.set(xlabel="% of training", ylabel="share off the diagonal", title="mean of seeds, 90 % interval")
    axis.legend()
