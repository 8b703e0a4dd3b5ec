"""Channel conditioning: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.experiments.channel_conditioning.settings import QUANTITIES
from repro.results import style
from repro.results.cases import cases
from repro.settings.experiment import NETWORK_COLUMNS

LINES = {"second moment": "-", "covariance": "--"}


def stage_ends(table: pd.DataFrame) -> pd.DataFrame:
    """The quantities where a stage begins and ends: medians over its first and its last four convolutions, per network.

    Columns `NETWORK_COLUMNS`, `stage` (1 to 3), `end` (`first` or `last`), `layers` (like `2-5`) and `QUANTITIES`.
    Layer 1 sees the same images with and without BN and belongs to no stage.
    """
    parts = []
    for _, inside in table[table["layer"] > 1].groupby("recipe", sort=False):
        for stage, (_, rows) in enumerate(inside.groupby("channels"), start=1):
            layers = np.sort(rows["layer"].unique())
            for end, chosen in (("first", layers[:4]), ("last", layers[-4:])):
                networks = rows[rows["layer"].isin(chosen)].groupby(list(NETWORK_COLUMNS), sort=False)
                medians = networks[list(QUANTITIES)].median().reset_index()
                parts.append(medians.assign(stage=stage, end=end, layers=f"{chosen[0]}-{chosen[-1]}"))
    return pd.concat(parts, ignore_index=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds, with quartiles, where each stage begins and ends; the paper has no numbers."""
    ends = stage_ends(table)
    rows = []
    for case in cases(table):
        for (stage, _, layers), networks in case.rows(ends).groupby(["stage", "end", "layers"]):
            levels = networks[list(QUANTITIES)].quantile([0.25, 0.5, 0.75])
            cells = [f"{middle:.3g} ({low:.3g} to {high:.3g})" for low, middle, high in levels.T.to_numpy()]
            rows.append((case.recipe, case.after, stage, layers, *cells))
    return pd.DataFrame(rows, columns=["recipe", "after", "stage", "layers", *QUANTITIES.values()])


def plot(table: pd.DataFrame) -> Figure:
    """Four panels against depth: condition number, effective rank, energy of the mean and spread of the scales."""
    figure, axes = style.panels(2, 2, height=4.8, sharex=True)
    shares = table.assign(
        rank_second_moment=table["rank_second_moment"] / table["channels"],
        rank_covariance=table["rank_covariance"] / table["channels"],
    )
    _curves(axes[0, 0], table, ("condition_second_moment", "condition_covariance"))
    axes[0, 0].set(yscale="log", ylabel="condition number")
    _curves(axes[0, 1], shares, ("rank_second_moment", "rank_covariance"))
    axes[0, 1].set(ylim=(0, 1), ylabel="effective rank / channels")
    _curves(axes[1, 0], table, ("mean_energy",))
    axes[1, 0].set(ylim=(0, 1), ylabel="share of energy in the mean")
    _curves(axes[1, 1], table, ("scale_spread",))
    axes[1, 1].set(ylim=(0, None), ylabel=r"spread of scales, std of $\ln\,\sigma_c$")
    title = f"median and quartiles of {table['seed'].nunique()} seeds"
    later_stages = _later_stages(table)
    if later_stages:
        title += "; grey lines: a stage begins"
    for axis in axes.flat:
        for layer in later_stages:
            axis.axvline(layer, color="0.8", lw=0.8, zorder=0)
    for axis in axes[1]:
        axis.set_xlabel("layer")
    handles = [Line2D([], [], color=case.colour, label=case.label) for case in cases(table)]
    handles += [Line2D([], [], color="0.3", ls=line, label=label) for label, line in LINES.items()]
    columns = 4 if len(handles) <= 4 else 2
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, title=title, title_fontsize=8)
    return figure


def _curves(axis: Axes, table: pd.DataFrame, quantities: tuple[str, ...]) -> None:
    """Median over seeds and band from quartile to quartile; infinite values leave a gap and are counted."""
    for case in reversed(cases(table)):  # the first on top
        by_layer = case.rows(table).groupby("layer")
        for quantity, line in zip(quantities, LINES.values(), strict=False):
            levels = [by_layer[quantity].quantile(level) for level in (0.25, 0.5, 0.75)]
            low, middle, high = (level.replace(np.inf, np.nan) for level in levels)
            axis.plot(middle.index, middle, line, color=case.colour, lw=1)
            axis.fill_between(middle.index, low, high, color=case.colour, alpha=0.2, lw=0)
    lost = int((~np.isfinite(table[list(quantities)])).to_numpy().sum())
    if lost:
        axis.text(0.02, 0.02, f"{lost} values not finite", transform=axis.transAxes, fontsize=6)


def _later_stages(table: pd.DataFrame) -> list[int]:
    """The layers with which the second stage and the third begin; none where recipes of several depths differ in it."""
    begin = table[table["layer"] > 1].groupby(["recipe", "channels"])["layer"].min().unstack("channels")
    return list(begin.iloc[0, 1:]) if len(begin.drop_duplicates()) == 1 else []
