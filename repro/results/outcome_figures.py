"""The figure and the summary of every study that asks how training ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from repro.results import looks, outcomes, statistics, style

DIFFERENCE, CHANGE = "difference", "change"
DODGE = 0.12  # between the kinds at one place, as a share of the distance to the next


@dataclass(frozen=True)
class Comparison:
    """What a figure compares: normalisations, one line each, against a `factor`, perhaps a row of panels for another.

    `views` are panels: of `outcomes.QUANTITIES`; `difference`, that of the first quantity, normalisation by
    normalisation, from `against`; or `change`, that of the first quantity from where the factor is `start`; both paired
    by seed.
    """

    factor: str
    axis: str  # what the horizontal axis is called
    scale: Literal["linear", "log", "words"] = "linear"
    views: Sequence[str] = ("test_accuracy", "gap", DIFFERENCE)
    against: str = "none"
    start: Any = None
    panels: str | None = None  # a second factor: a row of panels for each view, a column for each of its values
    words: Callable[[Any], str] = "{:g}".format  # how values of the factor are written, where they are numbers
    names: Mapping[str, str] = field(default_factory=dict)  # of normalisations, in place of `looks`

    def look(self, kind: str) -> looks.Look:
        """How a normalisation is named and coloured."""
        known = looks.normalisation(kind)
        return looks.Look(self.names.get(kind, known.name), known.colour)


def summarise(table: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """Per recipe: how many networks ended, accuracies and their gap, and test accuracy from that of `against`.

    The difference is paired by seed, with the 90 % interval of its mean.
    """
    rows = []
    keys = ["recipe", *([comparison.panels] if comparison.panels else [])]
    for key, networks in table.groupby(keys, sort=False):
        ended = networks[networks["status"] == "finished"]
        row: dict[str, Any] = {
            **dict(zip(keys, key, strict=True)),
            "epochs": networks["epochs"].iloc[0],
            "finished": len(ended),
            "diverged": len(networks) - len(ended),
        }
        for quantity, called in outcomes.QUANTITIES.items():
            row[f"{called}, mean"] = outcomes.percent(ended, quantity).mean()
        row["test accuracy, std"] = outcomes.percent(ended, "test_accuracy").std()
        row["still rising, points"] = outcomes.percent(ended, "rise").mean()
        found = _difference(table, networks, comparison)
        told = f"test accuracy minus {comparison.look(comparison.against).name}, points"
        row[told] = _told(found) if found else "-"
        rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame, comparison: Comparison) -> Figure:
    """Each view against the factor: the mean over seeds bold, each network faint; differences with 90 % intervals."""
    kinds = {str(kind): comparison.look(str(kind)) for kind in table["normalisation"].unique()}
    places = _places(table[comparison.factor], comparison)
    columns = [None] if comparison.panels is None else list(pd.unique(table[comparison.panels]))
    count = len(comparison.views)
    if comparison.panels is None:
        figure, axes = style.panels(1, count, width=3.2 * count, height=3.2, sharex=True)
    else:
        figure, axes = style.panels(
            count,
            len(columns),
            width=max(6.8, 2.3 * len(columns) + 0.6),
            height=2.3 * count + 0.5,
            sharex=True,
            sharey="row",
        )
        axes = axes.T
    for panels, value in zip(axes, columns, strict=True):
        own = table if value is None else table[table[comparison.panels] == value]
        for axis, view in zip(panels, comparison.views, strict=True):
            _view(axis, own, view, comparison, kinds, places)
            if value is not None and view == comparison.views[0]:
                axis.set_title(str(value).replace("_", " "))
            if value is None or value == columns[0]:
                axis.set_ylabel(_called(view, comparison))
            if value is None or view == comparison.views[-1]:
                axis.set_xlabel(comparison.axis)
    handles = [Line2D([], [], color=look.colour, marker="o", ms=4, label=look.name) for look in kinds.values()]
    seeds = table["seed"].nunique()
    title = f"mean of {seeds} seeds, each network faint; differences within a seed, with 90 % intervals of their mean"
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(5, len(handles)), title=title, title_fontsize=8
    )
    return figure


def _view(
    axis: Axes,
    table: pd.DataFrame,
    view: str,
    comparison: Comparison,
    kinds: dict[str, looks.Look],
    places: dict[Any, float],
) -> None:
    lost: dict[str, int] = {}
    for number, (kind, look) in enumerate(kinds.items()):
        own = table[table["normalisation"] == kind]
        if own.empty:
            continue
        shift = DODGE * (number - (len(kinds) - 1) / 2)
        if view in (DIFFERENCE, CHANGE):
            _differences(axis, table, own, view, comparison, look.colour, places, shift)
            continue
        by_seed = own.assign(value=outcomes.percent(own, view)).pivot_table(
            index=comparison.factor, columns="seed", values="value", dropna=False
        )
        by_seed = by_seed.reindex([value for value in places if value in by_seed.index])
        words = comparison.scale == "words"
        horizontal = [_moved(value, shift if words else 0.0, places, comparison) for value in by_seed.index]
        line = "none" if words else "-"
        axis.plot(horizontal, by_seed, ls=line, marker=".", ms=3, color=look.colour, lw=0.7, alpha=0.35)
        axis.plot(horizontal, by_seed.mean(axis=1), ls=line, marker="o", ms=5, color=look.colour, lw=1.8)
        if count := int((own["status"] == "diverged").sum()):
            lost[look.name] = count
    if view in (DIFFERENCE, CHANGE):
        axis.axhline(0, ls=":", color="0.25", lw=1, zorder=0)
    if lost:
        told = "diverged: " + ", ".join(f"{count} {name}" for name, count in lost.items())
        axis.text(0.02, 0.02, told, transform=axis.transAxes, fontsize=6)
    if comparison.scale == "log":
        if min(places.values()) > 0:
            axis.set_xscale("log")
        else:
            axis.set_xscale("symlog", linthresh=_linear_below(places))
        axis.xaxis.set_minor_locator(NullLocator())
    if comparison.scale == "words":
        axis.set_xlim(-0.5, len(places) - 0.5)
    axis.set_xticks(list(places.values()), [_written(value, comparison) for value in places])
    if len(places) > 5 and comparison.scale != "words":
        axis.tick_params(axis="x", labelrotation=45)


def _differences(
    axis: Axes,
    table: pd.DataFrame,
    own: pd.DataFrame,
    view: str,
    comparison: Comparison,
    colour: str,
    places: dict[Any, float],
    shift: float,
) -> None:
    """Of one kind at each place: each seed's faint, their mean with its interval; nothing where it is zero for sure."""
    factor = comparison.factor
    for value in places:
        other = table[(table["normalisation"] == comparison.against) & (table[factor] == value)]
        if view == CHANGE:
            other = own[own[factor] == comparison.start]
        first = own[own[factor] == value]
        if set(first["recipe"]) == set(other["recipe"]):
            continue
        found = _paired(first, other, comparison.views[0])
        if len(found) == 0:
            continue
        moved = _moved(value, shift, places, comparison)
        axis.plot(np.full(len(found), moved), found, ".", ms=3, color=colour, alpha=0.35)
        estimate = statistics.mean(found)
        if np.isnan(estimate.low):
            axis.plot(moved, estimate.value, "o", ms=5, color=colour)
        else:
            ends = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
            axis.errorbar(moved, estimate.value, ends, fmt="o", ms=5, color=colour, capsize=3)


def _difference(table: pd.DataFrame, networks: pd.DataFrame, comparison: Comparison) -> statistics.Estimate | None:
    """Of test accuracy from the recipe that differs in its normalisation alone, if there is one."""
    first = networks.iloc[0]
    if first["normalisation"] == comparison.against:
        return None
    other = table[table["normalisation"] == comparison.against]
    for factor in (comparison.factor, comparison.panels):
        if factor and factor != "normalisation":
            other = other[other[factor] == first[factor]]
    found = _paired(networks, other, "test_accuracy") if other["recipe"].nunique() == 1 else pd.Series()
    return statistics.mean(found) if len(found) > 1 else None


def _told(found: statistics.Estimate) -> str:
    """An estimate with its interval, if it has one: networks that are all equal have none."""
    interval = "" if np.isnan(found.low) else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{interval}"


def _paired(first: pd.DataFrame, second: pd.DataFrame, quantity: str) -> pd.Series:
    """`first` minus `second` within each seed in which both ended."""
    values = [outcomes.percent(each, quantity).set_axis(each["seed"]).astype(float) for each in (first, second)]
    if any(each["recipe"].nunique() > 1 for each in (first, second)):
        return pd.Series(dtype=float)
    return (values[0] - values[1]).dropna()


def _places(values: pd.Series, comparison: Comparison) -> dict[Any, float]:
    """Where each value of the factor stands: numbers at themselves, words one after the other as they come."""
    found = list(pd.unique(values))
    if comparison.scale == "words":
        return {value: float(place) for place, value in enumerate(found)}
    return {value: float(value) for value in sorted(found)}


def _moved(value: Any, shift: float, places: dict[Any, float], comparison: Comparison) -> float:
    """A place moved aside by a share of the smallest distance of two places, as they are drawn."""
    place, ordered = places[value], np.sort(list(places.values()))
    if comparison.scale != "log":
        return place + shift * (float(np.diff(ordered).min()) if len(ordered) > 1 else 1.0)
    ordered = ordered[ordered > 0]
    ratio = float((ordered[1:] / ordered[:-1]).min()) if len(ordered) > 1 else 10.0
    return place * ratio**shift if place > 0 else shift * _linear_below(places)


def _linear_below(places: dict[Any, float]) -> float:
    """Where a logarithmic axis that has a zero becomes linear: at half of the smallest place above it."""
    return min(place for place in places.values() if place > 0) / 2


def _written(value: Any, comparison: Comparison) -> str:
    return str(value).replace("_", " ") if isinstance(value, str) else comparison.words(value)


def _called(view: str, comparison: Comparison) -> str:
    if view in outcomes.QUANTITIES:
        return outcomes.QUANTITIES[view]
    name = outcomes.QUANTITIES[comparison.views[0]].removesuffix(", %").removesuffix(", points")
    if view == DIFFERENCE:
        return f"{name},\nminus {comparison.look(comparison.against).name}, points"
    return f"{name},\nminus that at {_written(comparison.start, comparison)}, points"
