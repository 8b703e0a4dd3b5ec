"""Table 1 for single kernel entries: the distributions, figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from repro.experiments.single_parameters.settings import PERCENTS, column
from repro.results import style
from repro.results.cases import Case, cases

BARS = ((1, 99, 1.0), (5, 95, 4.0), (25, 75, 9.0))  # from and to these per cent, with a line of this width


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Each percentile's median over seeds, per case and layer, and the range over seeds of the entries' median."""
    rows = []
    for case in cases(table):
        for layer, networks in case.rows(table).groupby("layer"):
            medians = networks[column(50)].dropna()
            row: dict[str, object] = {"recipe": case.recipe, "after": case.after, "layer": layer}
            row |= {f"{percent} %": networks[column(percent)].median() for percent in PERCENTS}
            row["range of the 50 %"] = f"{medians.min():.3g} to {medians.max():.3g}" if len(medians) else "-"
            row["entries without a ratio, most"] = int(networks["undefined"].max())
            rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """At each layer the entries' ratios, case beside case: nested bars, and each seed's median entry."""
    figure, axes = style.panels(1, 1, width=6.8, height=3.4)
    axis = axes[0, 0]
    layers, found = sorted(table["layer"].unique()), cases(table)
    lost = 0
    for place, layer in enumerate(layers):
        here = [case for case in found if (case.rows(table)["layer"] == layer).any()]  # depths have other layers
        for number, case in enumerate(here):
            networks = case.rows(table)
            at = place + 0.8 / max(len(here), 2) * (number - (len(here) - 1) / 2)
            lost += _bars(axis, case, networks[networks["layer"] == layer], at)
    axis.axhline(1, ls=":", color="0.25", lw=1, zorder=0)
    axis.set(yscale="log", xlim=(-0.5, len(layers) - 0.5), ylabel="mean |d| / |mean d| of a kernel entry")
    axis.set_xticks(range(len(layers)), [f"layer {layer}" for layer in layers])
    axis.xaxis.set_minor_locator(NullLocator())
    if lost:
        axis.text(0.02, 0.02, f"{lost} networks and layers not finite", transform=axis.transAxes, fontsize=6.5)
    handles = [Line2D([], [], color=case.colour, lw=4, label=case.label) for case in found]
    title = (
        f"bars: 25 to 75, 5 to 95, and 1 to 99 % of the entries, white: their median, all medians of "
        f"{table['seed'].nunique()} seeds; dots: each seed's median entry"
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(found)), title=title, title_fontsize=7)
    return figure


def _bars(axis: Axes, case: Case, networks: pd.DataFrame, at: float) -> int:
    """The networks of a case at one layer; returns how many of them have no finite median."""
    values = networks[[column(percent) for percent in PERCENTS]].replace([np.inf, -np.inf], np.nan)
    middle = values.median()
    for low, high, width in BARS:
        ends = middle[column(low)], middle[column(high)]
        axis.vlines(at, *ends, color=case.colour, lw=width, alpha=0.45 if width < 9 else 1, capstyle="butt")
    axis.plot(at, middle[column(50)], "_", color="white", ms=9, mew=1.5)
    each = values[column(50)].to_numpy()
    axis.plot(np.full(len(each), at + 0.09), each, ".", ms=3.5, color=case.colour, alpha=0.6)
    return int(np.isnan(each).sum())
