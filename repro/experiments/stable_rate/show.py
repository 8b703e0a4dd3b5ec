"""Largest stable learning rates against depth: figure and numbers."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike
from scipy import stats

from repro.experiments.stable_rate.settings import SURVIVED
from repro.results import statistics, style
from repro.results.cases import Case, cases
from repro.results.statistics import Estimate
from repro.settings.experiment import NETWORK_COLUMNS

NETWORK = list(NETWORK_COLUMNS)


def largest_rates(table: pd.DataFrame) -> pd.DataFrame:
    """One row per network: the largest rate of the grid up to which it survived all, and whether that is a bound.

    In the result `family` is the recipe's name without its depth; `largest` the rate, or, where the network survived
    none, the smallest of the grid; `bound` 1 where it survived the whole grid, so that it may take larger rates, -1
    where it takes smaller ones alone, else 0; `last_loss` and `first_loss` those at `largest`.
    """
    rows = []
    for _, tried in table.sort_values("rate").groupby(NETWORK, sort=False):
        count = int((tried["status"] == SURVIVED).cummin().sum())
        row = tried.iloc[max(count - 1, 0)]
        rows.append(
            {name: row[name] for name in (*NETWORK, "depth", "first_loss", "last_loss")}
            | {
                "family": re.sub(r"-depth\d+", "", row["recipe"]),
                "largest": row["rate"],
                "bound": int(count == len(tried)) - int(count == 0),
            }
        )
    return pd.DataFrame(rows).sort_values("depth", kind="stable", ignore_index=True)


def families(found: pd.DataFrame) -> list[Case]:
    """The curves of `largest_rates`: recipes that differ in their depth alone, at one moment each."""
    return cases(found.assign(recipe=found["family"]))


def of_family(case: Case, found: pd.DataFrame) -> pd.DataFrame:
    """The rows of `largest_rates` that are about one of `families`."""
    return case.rows(found.assign(recipe=found["family"]))


def ratios(found: pd.DataFrame) -> pd.DataFrame:
    """log10 of the largest rate with BN over that without, one row per moment, depth and seed that have both.

    `bound` is 1 where the ratio may be larger than it says, -1 where it may be smaller, 0 where it is known, and
    missing where it may be both. Empty where several recipes of one depth have BN everywhere, or none.
    """
    keys = ["after", "depth", "seed"]
    pair = [found[found["normalisation"] == kind] for kind in ("batch", "none")]
    if any(part.duplicated(keys).any() for part in pair):
        return pd.DataFrame(columns=[*keys, "decades", "bound"])
    both = pair[0].merge(pair[1], on=keys, suffixes=("_with", "_without"))
    signs = {(1, 0): 1, (0, -1): 1, (1, -1): 1, (-1, 0): -1, (0, 1): -1, (-1, 1): -1, (0, 0): 0}
    bounds = [signs.get(each, np.nan) for each in zip(both["bound_with"], both["bound_without"], strict=True)]
    return both[keys].assign(decades=np.log10(both["largest_with"] / both["largest_without"]), bound=bounds)


def grid_step(table: pd.DataFrame) -> float:
    """The largest distance between neighbouring rates of the grid, decades."""
    return float(np.diff(np.log10(np.sort(table["rate"].unique()))).max())


def with_grid(values: ArrayLike, squared_weights: float, step: float) -> Estimate:
    """The mean over networks of sum_i w_i log10 r_i, and an interval that contains what the grid leaves open.

    `values` has that sum, one per seed; `squared_weights` is sum_i w_i^2, of weights that add up to zero; `step` the
    grid's, decades. A network's largest rate lies anywhere between r_i and the next rate, so that each log10 r_i has a
    rounding error of variance step^2 / 12, taken to be the same in every seed: more seeds do not reduce it. The
    squared standard error is s^2 / seeds + step^2 / 12 sum_i w_i^2, and Student's degrees of freedom those of Welch
    and Satterthwaite (1946), as the second part is known. It takes two seeds to have an interval.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return statistics.mean(sample)
    between = float(stats.sem(sample)) ** 2
    total = between + step**2 / 12 * squared_weights
    freedom = (len(sample) - 1) * (total / between) ** 2 if between else np.inf
    student = stats.t(freedom, float(np.mean(sample)), np.sqrt(total))
    return statistics.of_distribution(student, len(sample), "Student's, of the mean, with the grid's rounding")


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per curve and depth: the largest rate that every seed survives, those of the seeds, and the losses there."""
    found = largest_rates(table)
    rows = []
    for case in families(found):
        for depth, networks in of_family(case, found).groupby("depth"):
            spread = networks["largest"].quantile([0, 0.5, 1]).tolist()
            none, whole = (networks["bound"] == -1), (networks["bound"] == 1)
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "depth": depth,
                    "seeds": len(networks),
                    "largest rate in every seed": np.nan if none.any() else spread[0],
                    "median": spread[1],
                    "least": spread[0],
                    "largest": spread[2],
                    "seeds that survive no rate": int(none.sum()),
                    "seeds that survive every rate": int(whole.sum()),
                    "loss before, median": networks["first_loss"].median(),
                    "loss at the largest rate, median": networks["last_loss"].where(~none).median(),
                }
            )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """The largest rate of every seed, and in every seed, against depth (left); with BN over without (right)."""
    found = largest_rates(table)
    compared = ratios(found)
    figure, axes = style.panels(1, 1 + (not compared.empty), width=6.8 if len(compared) else 4.4, height=3.4)
    _rates(axes[0, 0], found, np.sort(table["rate"].unique()))
    if not compared.empty:
        _ratios(axes[0, 1], compared, grid_step(table))
    for axis in axes[0]:
        depths = np.sort(found["depth"].unique())
        axis.set(xscale="log", xlabel="depth (weighted layers)", xlim=(depths[0] / 1.2, depths[-1] * 1.2))
        axis.set_xticks(depths, [str(depth) for depth in depths])
        axis.xaxis.set_minor_locator(NullLocator())
    planned = " or ".join(str(count) for count in sorted(table["planned"].unique()))
    title = f"rates survived for {planned} updates; {found['seed'].nunique()} seeds, each faint; bold: in every seed"
    if not compared.empty:
        title += "\nright: pairs of one seed, their mean and its 90 % interval"
    if (found["bound"] != 0).any():
        title += "\nopen: an end of the rates tried, beyond which the truth lies; means with such have no interval"
    handles, labels = axes[0, 0].get_legend_handles_labels()
    columns = 3 if len(handles) <= 6 else 2
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns, title=title, title_fontsize=8)
    legend.get_title().set_multialignment("center")
    return figure


def _rates(axis: Axes, found: pd.DataFrame, rates: np.ndarray) -> None:
    """Curves side by side, a little apart, so that those at the same rate of the grid are both seen."""
    drawn = families(found)
    shifts = 1.05 ** (np.arange(len(drawn)) - (len(drawn) - 1) / 2)
    for rate in rates:
        axis.axhline(rate, color="0.9", lw=0.6, zorder=0)
    for case, shift in zip(drawn, shifts, strict=True):
        own = of_family(case, found)
        by_seed = own.pivot_table(index="depth", columns="seed", values="largest")
        axis.plot(by_seed.index * shift, by_seed, case.line, color=case.colour, lw=0.7, alpha=0.35)
        ends = own[own["bound"] != 0]
        axis.plot(ends["depth"] * shift, ends["largest"], "o", ms=3, mec=case.colour, mfc="none", alpha=0.6)
        every = own.loc[own.groupby("depth")["largest"].idxmin()]
        axis.plot(every["depth"] * shift, every["largest"], case.line, color=case.colour, lw=1.8, label=case.label)
        # A seed that survives no rate is at the smallest one as well: its bound is that of the curve.
        bounds = own.groupby("depth")["bound"].agg(lambda each: -1 if (each < 0).any() else each.min())
        for depth, rate in zip(every["depth"], every["largest"], strict=True):
            _marker(axis, depth * shift, rate, bounds[depth], case.colour)
    axis.set(yscale="log", ylabel="largest rate survived", ylim=(rates[0] / 6, rates[-1] * 6))


def _ratios(axis: Axes, compared: pd.DataFrame, step: float) -> None:
    """The ratio of each pair of networks, and the mean over seeds with its 90 % interval at each depth."""
    moments = sorted(compared["after"].unique())
    for place, after in enumerate(moments):
        colour = style.shades("#333333", len(moments))[place]
        shift = 1.06**place
        for depth, pairs in compared[compared["after"] == after].groupby("depth"):
            scattered = depth * shift * 1.015 ** (np.arange(len(pairs)) - (len(pairs) - 1) / 2)
            known = (pairs["bound"] == 0).to_numpy()
            values = 10.0 ** pairs["decades"].to_numpy()
            axis.plot(scattered[known], values[known], "o", ms=3, color=colour, alpha=0.5, mec="none")
            axis.plot(scattered[~known], values[~known], "o", ms=3, mec=colour, mfc="none", alpha=0.7)
            estimate = with_grid(pairs["decades"], 2.0, step)
            low, value, high = 10.0 ** np.array([estimate.low, estimate.value, estimate.high])
            axis.plot(depth * shift, value, "_", ms=12, mew=1.8, color=colour)
            if known.all() and np.isfinite(low):
                axis.vlines(depth * shift, low, high, color=colour, lw=1.2)
    axis.axhline(1, ls=":", color="0.4", lw=1)
    axis.set(yscale="log", ylabel="largest rate, with BN / without")


def _marker(axis: Axes, depth: float, rate: float, bound: int, colour: str) -> None:
    """A dot; for a bound an open one with an arrow to where the truth lies."""
    axis.plot(depth, rate, "o", ms=4.5, mec=colour, mfc="w" if bound else colour)
    if bound:
        axis.annotate(
            "",
            (depth, rate),
            (0, 13 * bound),
            textcoords="offset points",
            arrowprops={"arrowstyle": "<-", "color": colour, "shrinkA": 0, "shrinkB": 3},
        )
