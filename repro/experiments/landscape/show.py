"""The landscape's smoothness: its three measures, figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from repro.experiments.landscape.settings import COMMON, OWN
from repro.results import style
from repro.results.cases import cases
from repro.results.claims import Undecided
from repro.results.pairs import compared, log_ratios, pair
from repro.results.seed_strips import offsets
from repro.settings.experiment import NETWORK_COLUMNS

MEASURES = {
    "loss_range": "range of the loss, nats",
    "gradient_change": "largest change of the gradient",
    "effective_beta": r"effective $\beta$-smoothness",
}


def measures(table: pd.DataFrame) -> pd.DataFrame:
    """The three measures of Santurkar et al. 2018 (arXiv 1805.11604), Figure 4: one row per network and kind of steps.

    Over the steps a of one kind, with g the gradient at w and g' that at w - a g:
    `loss_range` = max L(w - a g) - min L(w - a g), not counting L(w): how far the loss varies along the step;
    `gradient_change` = max |g - g'|, the upper edge of what they call gradient predictiveness;
    `effective_beta` = max |g - g'| / (a |g|), the change of the gradient for the distance moved.
    Infinite where float32 overflows along the step, NaN where loss or gradient had before it, or where g is zero.
    """
    table = table.sort_values("step_length", kind="stable")
    usable = np.isfinite(table["loss_before"]) & np.isfinite(table["gradient_norm"]) & (table["gradient_norm"] > 0)
    loss, change = (table[name].where(np.isfinite(table[name]), np.inf) for name in ("loss", "gradient_change"))
    # Of infinite losses alone the range would be inf - inf; one of them is enough.
    known = table.assign(
        lowest=loss.where(np.isfinite(loss), 0.0),
        highest=loss,
        gradient_change=change,
        effective_beta=change / (table["step_length"] * table["gradient_norm"].where(usable)),
    )
    grouped = known[usable].groupby([*NETWORK_COLUMNS, "steps"], sort=False)
    found = grouped[["gradient_change", "effective_beta"]].max()
    found.insert(0, "loss_range", grouped["highest"].max() - grouped["lowest"].min())
    keys = table[[*NETWORK_COLUMNS, "steps"]].drop_duplicates()
    return keys.sort_index().merge(found.reset_index(), how="left")


def compared_steps(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `pair` over the same steps with BN and without: the common ones, else the own where they are equal.

    Raises `Undecided` where there are none: over longer steps of a larger rate everything varies more.
    """
    chosen = pair(table)
    kind = COMMON if (chosen["steps"] == COMMON).any() else OWN
    chosen = chosen[chosen["steps"] == kind]
    shortest = chosen.groupby(["after", "normalisation"])["step_length"].agg(["min", "max"]).unstack()
    for end in ("min", "max"):
        both = shortest[end].dropna()
        if not np.allclose(both["batch"], both["none"], rtol=1e-9):
            raise Undecided("steps with BN and without differ in length; set the study's `rate`")
    return chosen


def moment_ratios(table: pd.DataFrame, name: str) -> dict[float, pd.Series]:
    """ln(with BN / without) of a measure over `compared_steps`, by moment: a value for each seed that has both."""
    ratios = log_ratios(measures(compared_steps(table)), name, ["after"]).dropna()
    return {float(after): own.droplevel("after") for after, own in ratios.groupby("after")}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds of the three measures, with the range over seeds, per case and kind of steps."""
    found = measures(table)
    rows = []
    for case in cases(table):
        for steps, own in case.rows(found).groupby("steps", sort=False):
            row: dict[str, object] = {"recipe": case.recipe, "after": case.after, "steps": steps}
            lengths = case.rows(table).query("steps == @steps")["step_length"]
            row["lengths"] = f"{lengths.min():.3g} to {lengths.max():.3g}"
            for name, label in MEASURES.items():
                values = own[name].dropna().sort_values().tolist()
                middle = values[len(values) // 2] if len(values) % 2 else _mean(values)
                row[label.replace(r"$\beta$", "beta")] = (
                    f"{middle:.3g} ({values[0]:.3g} to {values[-1]:.3g})" if values else "-"
                )
            rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Above, the three measures against training; below, with BN against without, each seed and the interval.

    Over the common steps where the table has them; those of the own rates are then dashed. Below only where steps with
    BN and without are the same.
    """
    found = measures(table)
    main = COMMON if (table["steps"] == COMMON).any() else OWN
    try:
        ratios = {name: moment_ratios(table, name) for name in MEASURES}
    except Undecided:
        ratios = {}
    rows = 2 if ratios else 1
    figure, axes = style.panels(rows, 3, width=8.6, height=2.6 * rows + 0.7)
    moments = sorted(table["after"].unique())
    for column, (name, label) in enumerate(MEASURES.items()):
        _against_training(axes[0, column], found, name, main, moments)
        axes[0, column].set_title(label)
        if ratios:
            _ratios(axes[1, column], ratios[name], moments)
            axes[1, 0].set_ylabel("with BN / without")
        for row in range(rows):
            axes[row, column].set_xticks(range(len(moments)), [f"{100 * after:g}" for after in moments])
            axes[row, column].set(xlabel="% of training", xlim=(-0.5, len(moments) - 0.5))
    handles = [Line2D([], [], color=case.colour, lw=1.9, label=case.label) for case in cases(table.assign(after=0.0))]
    if main == COMMON:
        handles.append(Line2D([], [], color="0.3", ls="--", lw=1.2, label="steps of each recipe's own rate"))
    if np.isinf(found[list(MEASURES)]).any(axis=None):
        handles.append(Line2D([], [], color="0.3", ls="", marker="x", label="overflow"))
    what = "steps of one common rate" if main == COMMON else "steps of each recipe's own rate"
    title = f"along a gradient step, {what}; thin: each seed, thick: median of {table['seed'].nunique()}"
    if ratios:
        title += ";\nbelow: each seed, and 90 % interval of their mean on a log scale; shaded: smoother with BN"
    figure.legend(handles=handles, loc="outside upper center", ncols=4, title=title, title_fontsize=8)
    return figure


def _mean(values: list[float]) -> float:
    """The middle of an even number of sorted values."""
    return (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2 if values else float("nan")


def _against_training(axis: Axes, found: pd.DataFrame, name: str, main: str, moments: list[float]) -> None:
    """Each network's measure and the median over seeds; crosses above for networks that overflow."""
    places = {after: place for place, after in enumerate(moments)}
    for case in reversed(cases(found.assign(after=0.0))):  # one for each recipe, the first on top
        for steps, own in found[found["recipe"] == case.recipe].groupby("steps"):
            by_seed = own.pivot(index="after", columns="seed", values=name)
            finite = by_seed.where(np.isfinite(by_seed) & (by_seed > 0))
            at = [places[after] for after in by_seed.index]
            middle = finite.median(axis=1)
            if steps != main:
                axis.plot(at, middle, "--", color=case.colour, lw=1.2)
                continue
            axis.plot(at, finite, color=case.colour, lw=0.7, alpha=0.35)
            axis.plot(at, middle, "o-", ms=4, color=case.colour, lw=1.9)
            over = [place for place, lost in zip(at, np.isinf(by_seed).any(axis=1), strict=True) if lost]
            axis.plot(over, [0.98] * len(over), "x", color=case.colour, transform=axis.get_xaxis_transform())
    axis.set_yscale("log")


def _ratios(axis: Axes, ratios: dict[float, pd.Series], moments: list[float]) -> None:
    """Each seed's ratio as a dot, and the mean with its interval; infinite ones are left to the numbers."""
    for place, after in enumerate(moments):
        seeds = ratios.get(after, pd.Series(dtype=float))
        shown = np.exp(seeds[np.isfinite(seeds)])
        axis.plot(place - 0.15 + 0.4 * offsets(len(shown)), shown, "o", ms=3.5, color="0.55", mec="none")
        estimate = compared(seeds.to_numpy())
        value, low, high = np.exp([estimate.value, estimate.low, estimate.high])
        if np.isfinite([value, low, high]).all():
            axis.vlines(place + 0.15, low, high, color="0.1", lw=1.6)
        if np.isfinite(value):
            axis.plot(place + 0.15, value, "s", ms=4.5, color="0.1")
    axis.axhline(1, color="0.25", ls=":", lw=1.2)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    low, high = min(low, 0.7), max(high, 1.4)
    axis.axhspan(low, 1, color="0.93", zorder=0)
    axis.set_ylim(low, high)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    if high / low < 100:  # too short for labels at powers of ten only
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
