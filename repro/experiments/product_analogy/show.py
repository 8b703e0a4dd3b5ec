"""Toy networks beside products of Gaussian matrices: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.experiments.product_analogy.settings import KINDS
from repro.instruments.effective_rank import effective_rank
from repro.random_matrices import condition_decades_per_factor, singular_value_law
from repro.results import colours, looks, style

COLOURS = dict(zip(KINDS, ("black", colours.ORANGE, colours.BLUE, colours.GREEN, colours.PURPLE), strict=True))
FIRST_FITTED = 8  # matrices from which growth is taken to be exponential


def per_network(table: pd.DataFrame) -> pd.DataFrame:
    """One row per network and depth.

    Adds `log10_largest`, `log10_condition` (largest by smallest value that is not zero), `rank` (values that are not
    zero) and `effective_rank`.
    """
    keys = ["kind", "initialisation", "width", "matrices", "draw"]
    grouped = table.groupby(keys, sort=False)["singular_value"]
    found = grouped.agg(["max", "min", "size"])
    found["log10_largest"] = np.log10(found["max"])
    found["log10_condition"] = found["log10_largest"] - np.log10(found["min"])
    # shares do not depend on the scale, which may leave the range of a square
    found["effective_rank"] = grouped.agg(lambda values: effective_rank((values / values.max()) ** 2))
    columns = ["log10_largest", "log10_condition", "size", "effective_rank"]
    return found[columns].rename(columns={"size": "rank"}).reset_index()


def slopes(networks: pd.DataFrame, quantity: str) -> pd.Series:
    """Slope of a logarithm against the number of matrices, decades per matrix, by draw.

    From `FIRST_FITTED` matrices on; without the draws that have fewer than two such depths.
    """
    long = networks[networks["matrices"] >= FIRST_FITTED]
    fitted = {
        draw: np.polyfit(own["matrices"], own[quantity], 1)[0]
        for draw, own in long.groupby("draw")
        if own["matrices"].nunique() > 1
    }
    return pd.Series(fitted, dtype=float)


def growth(networks: pd.DataFrame, quantity: str) -> tuple[float, float]:
    """Mean of `slopes` over draws and its standard error; NaN when there are fewer than two."""
    found = slopes(networks, quantity)
    return (float(found.mean()), float(found.sem())) if len(found) > 1 else (np.nan, np.nan)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Growth per weight matrix and rank at the largest depth, by kind and initialisation; the paper has no numbers."""
    networks = per_network(table)
    rows = []
    for (kind, initialisation), group in networks.groupby(["kind", "initialisation"], sort=False):
        condition, condition_error = growth(group, "log10_condition")
        largest, largest_error = growth(group, "log10_largest")
        deepest = group[group["matrices"] == group["matrices"].max()]
        width = int(group["width"].iloc[0])
        gaussian = kind == "linear" and initialisation != "orthogonal"
        rows.append(
            {
                "network": KINDS[str(kind)],
                "initialisation": looks.initialisation(str(initialisation)).name,
                "condition, decades per matrix": f"{condition:.3f} ± {condition_error:.3f}",
                "theory": condition_decades_per_factor(width) if gaussian else np.nan,
                "largest value, decades per matrix": f"{largest:.3f} ± {largest_error:.3f}",
                "M": deepest["matrices"].iloc[0],
                "rank / N": deepest["rank"].median() / width,
                "effective rank": deepest["effective_rank"].median(),
                "log10 condition": deepest["log10_condition"].median(),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """By kind of network: condition number, effective rank and spectrum; by initialisation: the largest value."""
    first = table["initialisation"].iloc[0]
    networks = per_network(table)
    own = networks[networks["initialisation"] == first]
    figure, axes = style.panels(2, 2, height=5.4)
    for kind, label in KINDS.items():
        group = own[own["kind"] == kind].groupby("matrices")
        for axis, column in ((axes[0, 0], "log10_condition"), (axes[0, 1], "effective_rank")):
            levels = group[column].agg(["median", "min", "max"])
            axis.plot(levels.index, levels["median"], "o-", ms=3, lw=1.2, color=COLOURS[kind], label=label)
            axis.fill_between(levels.index, levels["min"], levels["max"], color=COLOURS[kind], alpha=0.15, lw=0)
    width = int(table["width"].iloc[0])
    subject = f"N = {width}, {looks.initialisation(first).name}"
    axes[0, 0].set(ylabel=r"$\log_{10}$ condition number (values not 0)", title=subject)
    axes[0, 1].set(yscale="log", ylabel="effective rank", title=subject)
    title = f"median and range of {table['draw'].nunique()} draws (lower right: all)"
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, title=title)
    lines = {"linear": "-", "relu": "--", "shortcut_relu": ":"}
    handles = [Line2D([], [], color="0.4", ls=line, label=KINDS[kind]) for kind, line in lines.items()]
    for initialisation, group in networks.groupby("initialisation", sort=False):
        look = looks.initialisation(str(initialisation))
        handles.append(Line2D([], [], color=look.colour, label=look.name))
        for kind, line in lines.items():
            medians = group[group["kind"] == kind].groupby("matrices")["log10_largest"].median()
            axes[1, 0].plot(medians.index, medians, line, color=look.colour, lw=1.2)
    axes[1, 0].set(ylabel=r"$\log_{10}$ largest singular value", title=f"N = {width}, initialisations")
    low, high = axes[1, 0].get_ylim()
    axes[1, 0].set_ylim(low - 0.5 * (high - low), high)  # room for the legend
    axes[1, 0].legend(handles=handles, loc="lower left", fontsize=7, ncols=2)
    for axis in (axes[0, 0], axes[0, 1], axes[1, 0]):
        axis.set_xlabel("weight matrices M")
    _spectra(axes[1, 1], table[table["initialisation"] == first])
    return figure


def _spectra(axis: Axes, table: pd.DataFrame) -> None:
    """Density of the singular values at a few matrices, each network scaled to mean square 1, over the law."""
    matrices = min(table["matrices"].unique(), key=lambda number: (abs(number - 4), number))
    edges = np.linspace(-4, 1.5, 34)
    for kind, rows in table[table["matrices"] == matrices].groupby("kind", sort=False):
        squares = rows.groupby("draw")["singular_value"].transform(lambda values: np.mean(values**2))
        logarithms = np.clip(np.log10(rows["singular_value"] / np.sqrt(squares)), edges[0], edges[-1])
        density, _ = np.histogram(logarithms, bins=edges, density=True)
        axis.stairs(density, edges, color=COLOURS[str(kind)], lw=1.1)
    cumulative = singular_value_law(factors=int(matrices)).cdf(10**edges)
    cumulative[0] = 0.0  # what is smaller counts in the first bin, as above
    expected = np.diff(cumulative) / np.diff(edges)
    axis.stairs(expected, edges, color="0.6", ls="--", lw=1.4, label="Theorem 1")
    title = f"M = {matrices}, N = {int(table['width'].iloc[0])}"
    axis.set(xlabel=r"$\log_{10}$ singular value / root mean square", ylabel="density", title=title)
    axis.legend(loc="upper left")
