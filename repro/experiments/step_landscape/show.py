"""The loss along a gradient step: figure, and numbers beside the published ones."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from repro.results import style
from repro.results.cases import LINES, Case, cases

EXPLOSION = 1e6  # the relative loss at which the published panel without BN ends
# Read off the published plots: (normalisation, mini-batch) -> the numbers that `features` measures.
PUBLISHED = {
    ("batch", 1): {"step at minimum": 0.025, "minimum": 10**-0.07},
    ("batch", 4): {"step at minimum": 0.04, "minimum": 10**-0.15},
    ("batch", 7): {"step at minimum": 0.1, "minimum": 10**-0.11},
    ("none", 1): {"step at minimum": 2.4e-4, "minimum": 0.1, "step back at 1": 7e-4, "step at 1e6": 2.7e-3},
    ("none", 4): {"step at 1e6": 4.4e-3},
    ("none", 7): {"step at 1e6": 7e-3},
}
FEATURES = ("step at minimum", "minimum", "step back at 1", "step at 1e6")
CURVE = ["recipe", "normalisation", "after", "mini_batch"]  # what tells one curve from another


def published(case: Case, mini_batch: int) -> dict[str, float]:
    """The published numbers of a case's curve: of networks taken up untrained, at some mini-batches."""
    return PUBLISHED.get((case.normalisation, mini_batch), {}) if case.after == 0 else {}


def median_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of the relative loss, per curve and step length; overflow counts as infinite."""
    whole = table.assign(relative_loss=table["relative_loss"].fillna(np.inf))
    return whole.groupby([*CURVE, "step_length"])["relative_loss"].median().reset_index()


def crossing(curve: pd.Series, level: float) -> float:
    """The step length beyond the curve's minimum at which it first reaches `level`; NaN where it does not.

    `curve` holds relative losses, not negative, infinite where they overflow, indexed by rising step lengths.
    Interpolated linearly in log-log between neighbours; next to an overflow, the overflowing step length itself; the
    first one if the whole curve lies at or above `level`.
    """
    beyond = curve.loc[curve.idxmin() :]
    reached = np.flatnonzero(beyond.to_numpy() >= level)
    if not len(reached):
        return float("nan")
    last = int(reached[0])
    if last == 0 or not np.isfinite(beyond.iloc[last]):
        return float(beyond.index[last])
    pair = beyond.iloc[last - 1 : last + 1].clip(lower=np.finfo(float).tiny)  # a loss of zero has no logarithm
    return float(np.exp(np.interp(np.log(level), np.log(pair), np.log(pair.index.to_numpy()))))


def features(curves: pd.DataFrame) -> pd.DataFrame:
    """Where and how deep the minimum is, and where the curve is back at 1 and reaches 1e6 (NaN: not in this range).

    One row per curve of `median_curves`, `FEATURES` as columns. A loss that is nowhere lower than at a = 0 has no
    minimum along the step: NaN, and it is back at 1 at the shortest step.
    """
    rows = []
    for key, chosen in curves.groupby(CURVE):
        curve = chosen.set_index("step_length")["relative_loss"]
        falls = curve.min() < 1
        rows.append(
            dict(zip(CURVE, key, strict=True))
            | {
                "step at minimum": curve.idxmin() if falls else np.nan,
                "minimum": curve.min() if falls else np.nan,
                "step back at 1": crossing(curve, 1.0) if falls else curve.index[0],
                "step at 1e6": crossing(curve, EXPLOSION),
            }
        )
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """The features of the median curves beside the published ones; a dash: not reached, or not published."""
    measured = features(median_curves(table))
    return pd.DataFrame(
        {
            "recipe": case.recipe,
            "after": case.after,
            "mini_batch": curve["mini_batch"],
            "quantity": feature,
            "measured": curve[feature],
            "published (ResNet-110, CIFAR-10)": published(case, curve["mini_batch"]).get(feature, np.nan),
        }
        for case in cases(table)
        for curve in case.rows(measured).to_dict("records")
        for feature in FEATURES
    )


def plot(table: pd.DataFrame) -> Figure:
    """Relative loss against step length, a panel for each recipe and moment, a curve for each mini-batch.

    The curve is the median over seeds, with each seed faintly if there are several. A cross at the top marks a step
    length at which it overflows; losses far beyond the published panel's end are cut off.
    """
    compared = cases(table)
    columns = min(4, len(compared))
    rows = math.ceil(len(compared) / columns)
    width = {1: 4.0, 2: 6.8}.get(columns, 3.0 * columns)
    figure, axes = style.panels(rows, columns, width=width, height=3.3 if rows == 1 else 2.9 * rows)
    for axis in axes.flat[len(compared) :]:
        axis.remove()
    looks = _looks(table)
    for axis, case in zip(axes.flat, compared, strict=False):
        for number, (mini_batch, look) in enumerate(looks.items()):
            chosen = case.rows(table[table["mini_batch"] == mini_batch])
            _draw_curve(axis, chosen, look, height=0.985 - 0.035 * number)
            for step, loss in _published_points(published(case, mini_batch)):
                axis.plot(step, loss, "o", mfc="white", mec=look["color"], ms=5)
        _dress(axis, case.label)
    for row in axes:
        row[0].set_ylabel(r"relative loss $L(w - a\,g)\,/\,L(w)$")
    _legend(axes[0, 0], table, looks)
    return figure


def _looks(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Colour and line of each mini-batch's curve."""
    mini_batches = sorted(table["mini_batch"].unique())
    colours = style.sequence(len(mini_batches) + 1)  # the last is too light for a line
    return {
        mini_batch: {"color": colours[number], "ls": LINES[number % len(LINES)]}
        for number, mini_batch in enumerate(mini_batches)
    }


def _draw_curve(axis: Axes, chosen: pd.DataFrame, look: dict[str, Any], height: float) -> None:
    """The rows of one curve: their median, each seed faintly, and crosses for overflows at a height of the panel."""
    curve = median_curves(chosen).set_index("step_length")["relative_loss"]
    finite = np.isfinite(curve)
    axis.plot(curve[finite], lw=1.8, **look)
    crosses = np.full((~finite).sum(), height)
    axis.plot(curve.index[~finite], crosses, "x", color=look["color"], ms=3.5, transform=axis.get_xaxis_transform())
    if chosen["seed"].nunique() > 1:
        for _, one in chosen[np.isfinite(chosen["relative_loss"])].groupby("seed"):
            axis.plot(one["step_length"], one["relative_loss"], lw=0.6, alpha=0.5, **look)


def _published_points(numbers: dict[str, float]) -> list[tuple[float, float]]:
    """The places (step length, relative loss) on the published curve that are known."""
    points = [
        ("step at minimum", numbers.get("minimum", np.nan)),
        ("step back at 1", 1.0),
        ("step at 1e6", EXPLOSION),
    ]
    return [(numbers[feature], loss) for feature, loss in points if feature in numbers]


def _dress(axis: Axes, title: str) -> None:
    """Scales, and limits that end where the published panel does."""
    axis.axhline(1, color="0.7", lw=0.8, zorder=0)
    axis.set(xscale="log", yscale="log", xlabel="step length $a$", title=title)
    low, high = axis.get_ylim()
    axis.set_ylim(low, min(high, 100 * EXPLOSION))
    if high / low < 30:  # too short for labels at powers of ten only
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())


def _legend(axis: Axes, table: pd.DataFrame, looks: dict[int, dict[str, Any]]) -> None:
    """What the lines of all panels and, where there are any, their circles and crosses mean."""
    handles = [Line2D([], [], lw=1.8, label=f"mini-batch {mini_batch}", **look) for mini_batch, look in looks.items()]
    if any(published(case, mini_batch) for case in cases(table) for mini_batch in looks):
        handles.append(Line2D([], [], ls="", marker="o", mfc="white", mec="0.3", ms=5, label="published (read off)"))
    if not np.isfinite(median_curves(table)["relative_loss"]).all():
        handles.append(Line2D([], [], ls="", marker="x", color="0.3", ms=3.5, label="overflow"))
    seeds = table["seed"].nunique()
    title = f"median of {seeds} seeds" if seeds > 1 else None
    axis.legend(handles=handles, title=title, title_fontsize=8, loc="best", handlelength=2.6)
