"""Other normalisations: where each stands between batch normalisation and none, figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from repro.results import statistics, style
from repro.results.cases import Case, cases
from repro.results.seed_strips import offsets
from repro.results.statistics import Estimate

QUANTITIES = {
    "growth": "rise of ln(deviation), Figure 5",
    "ratio": "a/b, Table 1",
    "conditioning": "decades of conditioning",
}
LOGARITHMIC = "ratio"  # the one whose place is that of its logarithm


def places(table: pd.DataFrame) -> pd.DataFrame:
    """(x - x_none) / (x_batch - x_none) of each network, from the networks of its seed and moment: 0 none, 1 batch.

    x is one of `QUANTITIES`, of a/b its logarithm, as it spans decades. NaN where one of the three is missing, where
    all are infinite or batch and none are equal, and everywhere unless exactly one recipe has batch normalisation
    everywhere and exactly one has none.
    """
    keys = ["after", "seed"]
    values = table.copy()
    with np.errstate(all="ignore"):
        values[LOGARITHMIC] = np.log(values[LOGARITHMIC])
    names = list(QUANTITIES)
    ends = {kind: values[values["normalisation"] == kind] for kind in ("batch", "none")}
    if any(rows["recipe"].nunique() != 1 for rows in ends.values()):
        return table.assign(**dict.fromkeys(names, np.nan))
    batch, none = (
        values[keys].merge(rows[[*keys, *names]], on=keys, how="left")[names].to_numpy() for rows in ends.values()
    )
    with np.errstate(all="ignore"):
        found = (values[names].to_numpy() - none) / (batch - none)
    found[batch == none] = np.nan
    found += 0.0  # no negative zero
    return table.assign(**dict(zip(names, found.T, strict=True)))


def place(case: Case, found: pd.DataFrame, name: str) -> Estimate:
    """The median over seeds of a case's places in a quantity, with its exact interval; `found` is that of `places`."""
    return statistics.median(case.rows(found)[name])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per case and quantity: median and range over seeds, and the place between none (0) and batch (1)."""
    found = places(table)
    rows = []
    for case in cases(table):
        for name, called in QUANTITIES.items():
            values = case.rows(table)[name]
            known = values.dropna()
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "quantity": called,
                    "median": values.median(),
                    "range": f"{known.min():.3g} to {known.max():.3g}" if len(known) else "-",
                    "without a value": len(values) - len(known),
                    "place between none (0) and batch (1)": _told(place(case, found, name)),
                }
            )
    return pd.DataFrame(rows)


def _told(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "-"
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def plot(table: pd.DataFrame) -> Figure:
    """A row for each case, a panel for each quantity: every seed's value, their median, and at the right the place."""
    found, compared = places(table), cases(table)
    figure, axes = style.panels(1, len(QUANTITIES), width=10.0, height=1.3 + 0.3 * len(compared), sharey=True)
    for axis, (name, called) in zip(axes[0], QUANTITIES.items(), strict=True):
        if name == LOGARITHMIC:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        _guides(axis, compared, table, name)
        for row, case in enumerate(compared):
            _row(axis, row, case, case.rows(table)[name])
            if case.normalisation not in ("batch", "none"):
                told = _told(place(case, found, name))
                axis.text(1.02, row, told, transform=axis.get_yaxis_transform(), fontsize=7, va="center")
        axis.text(1.02, -0.5, "place", transform=axis.get_yaxis_transform(), fontsize=7, va="center", style="italic")
        axis.set_xlabel(called)
        axis.set_ylim(len(compared) - 0.5, -0.5)
    axes[0, 0].set_yticks(range(len(compared)), [case.label for case in compared])
    title = (
        f"{table['seed'].nunique()} seeds, each faint, bar: median; dotted: medians with and without BN; "
        "place: 0 without, 1 with BN, paired by seed, median and 90 % interval"
    )
    figure.suptitle(title, fontsize=8)
    return figure


def _row(axis: Axes, row: int, case: Case, values: pd.Series) -> None:
    """Every seed's value as a dot and their median as a bar; those that are not finite are counted."""
    finite = values[np.isfinite(values)]
    axis.plot(finite, row + offsets(len(finite)), "o", ms=3.5, color=case.colour, alpha=0.5, mec="none")
    if len(finite):
        axis.plot(finite.median(), row, "|", ms=13, mew=2, color=case.colour)
    if len(finite) < len(values):
        told = f"{len(values) - len(finite)} not finite"
        axis.text(0.01, row, told, transform=axis.get_yaxis_transform(), fontsize=6, va="center")


def _guides(axis: Axes, compared: list[Case], table: pd.DataFrame, name: str) -> None:
    """Vertical lines at the medians of the cases with batch normalisation and with none."""
    for case in compared:
        values = case.rows(table)[name]
        middle = values[np.isfinite(values)].median()
        if case.normalisation in ("batch", "none") and np.isfinite(middle):
            axis.axvline(middle, color=case.colour, lw=1, ls=":", zorder=0)
