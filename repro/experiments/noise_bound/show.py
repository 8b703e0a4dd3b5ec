"""Noise of mini-batch gradients against their size: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from repro.experiments.noise_bound.settings import WITH, WITHOUT
from repro.results import style
from repro.results.cases import cases
from repro.settings.experiment import NETWORK_COLUMNS

NETWORK = list(NETWORK_COLUMNS)
MARKERS = {WITH: ("-", "o"), WITHOUT: ("--", "s")}  # line and marker of each way of drawing


def constants(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what each noise makes of C, and the C that the figure compares it with.

    Adds `constant`: noise b with replacement, noise b (N - 1) / (N - b) without, which is C in expectation where
    examples have gradients of their own; and `reference`: C itself, or, where it is missing, the constant of the same
    network and way of drawing at the largest b.
    """
    left = (table["images"] - table["batch_size"]) / (table["images"] - 1)
    correction = left.where(table["drawing"] == WITHOUT, 1.0)
    found = table.assign(constant=table["noise"] * table["batch_size"] / correction)
    largest = found.sort_values("batch_size").drop_duplicates([*NETWORK, "drawing"], keep="last")
    at_largest = largest.set_index([*NETWORK, "drawing"])["constant"].rename("at_largest")
    found = found.join(at_largest, on=[*NETWORK, "drawing"])
    return found.assign(reference=found["C"].fillna(found["at_largest"])).drop(columns="at_largest")


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per case, way of drawing and size: medians over seeds, with the range of the ratio; the paper has no numbers."""
    found = constants(table)
    found["ratio"] = found["constant"] / found["reference"]
    rows = []
    for case in cases(table):
        for (drawing, size), networks in case.rows(found).groupby(["drawing", "batch_size"], sort=False):
            ratio = networks["ratio"].quantile([0, 0.5, 1]).tolist()
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "drawing": drawing,
                    "b": size,
                    "noise": networks["noise"].median(),
                    "noise / squared gradient": (networks["noise"] / networks["gradient_norm_squared"]).median(),
                    "C compared with": "of the examples" if networks["C"].notna().any() else "at the largest b",
                    "noise x b / C": f"{ratio[1]:.3g} ({ratio[0]:.3g} to {ratio[2]:.3g})",
                    "standard error / noise": (networks["standard_error"] / networks["noise"]).median(),
                    "bias / noise": (networks["bias"] / networks["noise"]).median(),
                }
            )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Noise against b with the lines C / b (left), and noise times b as a share of C (right)."""
    found = constants(table)
    found["ratio"] = found["constant"] / found["reference"]
    figure, axes = style.panels(1, 2, height=3.3)
    left, right = axes[0]
    _curves(left, found[found["drawing"] == WITH], "noise")
    for case in cases(table):
        rows = case.rows(found).query("drawing == @WITH")
        sizes = np.sort(rows["batch_size"].unique())
        reference = rows.drop_duplicates("seed")["reference"].median()
        left.plot(sizes, reference / sizes, ":", color="0.25", lw=1.2, zorder=4)
    left.set(yscale="log", ylabel=r"noise, mean of $|g_B - g|^2$", title=f"drawn {WITH}")
    _curves(right, found, "ratio")
    right.axhline(1, ls=":", color="0.25", lw=1.2, zorder=0)
    finite = found["ratio"][np.isfinite(found["ratio"])]
    right.set(
        ylim=(0, max(2.0, 1.05 * finite.max() if len(finite) else 0.0)),
        ylabel=r"noise $\times\ b\ /\ C$",
        title="both, corrected for the finite set",
    )
    sizes = np.sort(table["batch_size"].unique())
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("size $b$ of the mini-batch")
    handles = [Line2D([], [], color=case.colour, label=case.label) for case in cases(table)]
    handles += [
        Line2D([], [], color="0.3", ls=line, marker=marker, ms=3.5, label=f"drawn {drawing}")
        for drawing, (line, marker) in MARKERS.items()
    ]
    handles.append(Line2D([], [], color="0.25", ls=":", label=r"$C\,/\,b$"))
    title = (
        f"median of {table['seed'].nunique()} seeds, each seed faint; $C$ of the examples' gradients,\n"
        "or where examples have none (with BN), from the largest $b$"
    )
    columns = 5 if len(handles) <= 5 else 3
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, title=title, title_fontsize=8)
    return figure


def _curves(axis: Axes, table: pd.DataFrame, quantity: str) -> None:
    """Each seed's curve faint and the median over seeds bold; what is not finite leaves a gap and is counted."""
    values = table.assign(shown=table[quantity].where(np.isfinite(table[quantity])))
    for case in reversed(cases(table)):  # the first on top
        for drawing, rows in case.rows(values).groupby("drawing", sort=False):
            line, marker = MARKERS[str(drawing)]
            by_seed = rows.pivot(index="batch_size", columns="seed", values="shown")
            axis.plot(by_seed.index, by_seed, line, color=case.colour, lw=0.7, alpha=0.3)
            median = by_seed.median(axis=1)
            axis.plot(median.index, median, line, marker=marker, ms=3.5, color=case.colour, lw=1.8)
    lost = int(values["shown"].isna().sum())
    if lost:
        axis.text(0.02, 0.02, f"{lost} values not finite", transform=axis.transAxes, fontsize=6)
