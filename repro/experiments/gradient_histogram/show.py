"""Figure 2: histograms of one kernel's gradients, their widths and tails."""

import functools
import textwrap
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.experiments.gradient_histogram.settings import PAPER_LAYER
from repro.networks.layers import PAPER_DEPTH
from repro.results import style
from repro.results.cases import Case, cases

QUANTILES = (0.05, 0.25, 0.75, 0.95)
PAPER_RANGE = (-4.0, 4.3)  # of the published panel without BN
WITHIN = "standard deviation within -4 to 4.3"
# Read off the published panels; the standard deviation without BN is that of the values within PAPER_RANGE.
PUBLISHED = {
    "batch": {"standard deviation": 0.012, "5 %": -0.018, "25 %": -0.006, "75 %": 0.009, "95 %": 0.022},
    "none": {WITHIN: 0.92, "5 %": -1.8, "95 %": 1.4},
}
WIDTHS = ("min", "median", "max")  # of one seed, over seeds


def width_within(gradients: pd.Series) -> float:
    """Standard deviation of the gradients that the published panel without BN shows."""
    return float(gradients[gradients.between(*PAPER_RANGE)].std())


# What the published numbers are of: of pooled gradients there, of one network's as well as of the pooled ones here.
STATISTICS: dict[str, Callable[[pd.Series], float]] = {
    "standard deviation": pd.Series.std,
    WITHIN: width_within,
    **{f"{100 * level:.0f} %": functools.partial(pd.Series.quantile, q=level) for level in QUANTILES},
}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Width, quantiles and tails of the pooled gradients, and the widths of single seeds, beside published values."""
    rows = []
    for case in cases(table):
        chosen = finite_gradients(case.rows(table))
        pooled, by_seed = chosen["gradient"], chosen.groupby("seed")["gradient"]
        measured = {
            name: statistic(pooled)
            for name, statistic in STATISTICS.items()
            if name != WITHIN or case.normalisation == "none"
        }
        widths = by_seed.std()
        measured |= {f"standard deviation of one seed, {name}": getattr(widths, name)() for name in WIDTHS}
        measured["excess kurtosis, pooled"] = pooled.kurt()
        measured["excess kurtosis of one seed, median"] = by_seed.apply(pd.Series.kurt).median()
        measured["share of weights whose gradient is not finite"] = 1 - len(pooled) / len(case.rows(table))
        papers = published(case, table)
        rows += [(case.recipe, case.after, name, value, papers.get(name, np.nan)) for name, value in measured.items()]
    return pd.DataFrame(rows, columns=["recipe", "after", "quantity", "measured", "published (ResNet-110, CIFAR-10)"])


def finite_gradients(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose gradient is a number: float64 `gradient` and `seed`."""
    chosen = rows[["seed", "gradient"]].astype({"gradient": float})
    return chosen[np.isfinite(chosen["gradient"])]


def published(case: Case, table: pd.DataFrame) -> dict[str, float]:
    """The published values: of the paper's layer, untrained, with BN or without; of other cases there are none."""
    rows = case.rows(table)
    is_papers = case.after == 0 and ((rows["depth"] == PAPER_DEPTH) & (rows["layer"] == PAPER_LAYER)).all()
    return PUBLISHED.get(case.normalisation, {}) if is_papers else {}


def plot(table: pd.DataFrame) -> Figure:
    """Histograms of the pooled gradients, a panel with its own axes for each case."""
    found = cases(table)
    layout = style.wrapped(range(len(found)), columns=2)
    figure, axes = style.mosaic(layout, height=2.8 * len(layout))
    for number, case in enumerate(found):
        _histogram(axes[number], case, table)
    for row in layout:
        axes[row[0]].set_ylabel("number of weights")
    return figure


def _histogram(axis: Axes, case: Case, table: pd.DataFrame) -> None:
    rows, papers = case.rows(table), published(case, table)
    chosen = finite_gradients(rows)
    gradients, seeds = chosen["gradient"], chosen["seed"].nunique()
    axis.set(xlabel=rf"$\partial L/\partial K$, layer {rows['layer'].iloc[0]}", title=textwrap.fill(case.label, 40))
    if gradients.empty:
        axis.text(0.5, 0.5, "no finite gradient", transform=axis.transAxes, ha="center")
        return
    low, high = panel_range(gradients, case.normalisation, bool(papers))
    axis.hist(gradients, bins=80, range=(low, high), color=case.colour, edgecolor="none")
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    inside = gradients[gradients.between(low, high)]
    lines = [f"{seeds} networks pooled", *_spread(gradients)]
    if len(inside) < len(gradients):
        lines += [f"{100 * len(inside) / len(gradients):.3g} % of them in this panel:", *_spread(inside)]
    lost = len(rows) - len(gradients)
    if lost:
        lines.append(f"{lost} gradients not finite")
    axis.text(1, 0.98, "\n".join(lines), transform=axis.transAxes, ha="right", va="top", fontsize=7)
    if papers:
        width = "std" if case.normalisation == "batch" else "std shown"
        text = f"published\n{width} {next(iter(papers.values()))}\n5–95 %: {papers['5 %']} to {papers['95 %']}"
        axis.text(0.01, 0.98, text, transform=axis.transAxes, va="top", fontsize=7, color="0.45")


def panel_range(gradients: pd.Series, normalisation: str, is_papers: bool) -> tuple[float, float]:
    """Ends of a histogram's axis: all values with BN everywhere; without, clipped to the published range.

    Where that range says nothing, because the paper does not show the case, clipped to the central 90 % of the values.
    """
    if normalisation == "batch":
        return float(gradients.min()), float(gradients.max())
    if is_papers:
        return PAPER_RANGE
    low, high = gradients.quantile([0.05, 0.95])
    return float(low), float(high)


def _spread(gradients: pd.Series) -> list[str]:
    low, high = gradients.quantile([0.05, 0.95])
    return [f"std {gradients.std():.2g}", f"5–95 %: {low:.2g} to {high:.2g}"]
