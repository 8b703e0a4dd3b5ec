"""Figure 7: which channels carry a kernel's gradient, how few they are, and what they follow."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.instruments.effective_rank import effective_rank
from repro.results import style
from repro.results.cases import Case, cases, spreads
from repro.results.seed_strips import strips
from repro.settings.experiment import NETWORK_COLUMNS

QUANTITIES = {
    "effective_rank": "effective rank of M, from its singular values",
    "rank_of_squares": "the same from their squares",
    "leading_share": "share of M's squared singular values in the largest",
    "top_input_share": "share of M in its strongest input channel",
    "top_output_share": "share of M in its strongest output channel",
    "mean_correlation": "rank correlation of |input channel's mean| with its share of M",
    "gradient_correlation": "rank correlation of output channel's mean |gradient| with its share of M",
}


def matrix(chosen: pd.DataFrame) -> pd.DataFrame:
    """M of one network, from its rows of the table: input channels as rows, output channels as columns."""
    return chosen.pivot(index="input_channel", columns="output_channel", values="magnitude")


def concentrations(table: pd.DataFrame) -> pd.DataFrame:
    """How few channels carry the gradient: `QUANTITIES` as columns, one row per network.

    The effective rank is that of M's singular values, as Roy and Vetterli define it, and of their squares. M is
    nowhere negative, so its leading singular value is large also when all channels are alike; that is what the values
    with BN show. NaN where M is not finite or zero.
    """
    rows = []
    for network, chosen in table.groupby(list(NETWORK_COLUMNS), sort=False):
        magnitudes = matrix(chosen)
        by_input, by_output, total = magnitudes.sum(axis=1), magnitudes.sum(axis=0), magnitudes.to_numpy().sum()
        values = dict.fromkeys(QUANTITIES, np.nan)
        if np.isfinite(magnitudes.to_numpy()).all() and total > 0:
            singular = np.linalg.svd(magnitudes.to_numpy(), compute_uv=False)
            means = chosen.groupby("input_channel")["input_mean"].first().abs()
            gradients = chosen.groupby("output_channel")["output_gradient"].first()
            values = {
                "effective_rank": effective_rank(singular),
                "rank_of_squares": effective_rank(singular**2),
                "leading_share": (singular[0] / np.linalg.norm(singular)) ** 2,
                "top_input_share": by_input.max() / total,
                "top_output_share": by_output.max() / total,
                "mean_correlation": means.corr(by_input, method="spearman"),
                "gradient_correlation": gradients.corr(by_output, method="spearman"),
            }
        rows.append(dict(zip(NETWORK_COLUMNS, network, strict=True)) | values)
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Distribution over seeds of how few channels carry the gradient; the paper has a picture, no numbers."""
    return spreads(concentrations(table), QUANTITIES, "seeds without a value")


def plot(table: pd.DataFrame) -> Figure:
    """M of each case's first seed; below, all seeds: effective ranks, and what M follows."""
    found, values = cases(table), concentrations(table)
    matrices = style.wrapped(range(len(found)))
    columns = len(matrices[0])
    # Twice as many columns as matrices, so that the two panels below can halve the width.
    layout = [[name for name in row for _ in range(2)] for row in matrices]
    layout.append(["ranks"] * columns + ["means"] * columns)
    ratios = [1.25] * len(matrices) + [1]
    width = max(6.4, 2.4 * columns)
    figure, axes = style.mosaic(layout, width=width, height=2.5 * sum(ratios), height_ratios=ratios)
    between = ", " if len(found) <= 2 else ",\n"
    for number, case in enumerate(found):
        rows = case.rows(table)
        seed = rows["seed"].min()
        _matrix(axes[number], rows[rows["seed"] == seed])
        axes[number].set_title(f"{textwrap.fill(case.label, 26)}{between}seed {seed}")
    for row in matrices:
        axes[row[0]].set_ylabel("input channel")
    last = axes[len(found) - 1].images[0]
    last.colorbar.set_label(r"$M = \sum_{x',y'}|\partial L/\partial K|$")
    _ranks(axes["ranks"], found, values, largest=int(table["input_channel"].max()) + 1)
    _means(axes["means"], found, values, table)
    return figure


def _matrix(axis: Axes, rows: pd.DataFrame) -> None:
    """M of one network."""
    shown = np.ma.masked_invalid(matrix(rows))
    axis.set_facecolor("0.7")  # what is not finite shows as grey
    image = axis.imshow(shown, cmap="viridis", vmin=0, aspect="auto", interpolation="none")
    axis.set(xlabel=f"output channel, layer {rows['layer'].iloc[0]}")
    bar = axis.figure.colorbar(image, ax=axis, pad=0.03)
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]  # a ScalarFormatter
    bar.formatter.set_useMathText(True)  # type: ignore[attr-defined]


def _ranks(axis: Axes, found: list[Case], values: pd.DataFrame, largest: int) -> None:
    """Every seed's effective rank, and the median; `largest`: the rank of the largest matrix."""
    strips(axis, found, values, "effective_rank")
    axis.set(yscale="log", ylim=(0.9, largest * 1.1), ylabel="effective rank of M")
    axis.text(0.98, 0.96, "bar: median", transform=axis.transAxes, ha="right", va="top", fontsize=7)
    ticks = [tick for tick in (1, 2, 4, 8, 16, 32, 64) if tick <= largest]
    axis.set_yticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_title(f"{values['seed'].nunique()} seeds")


def _means(axis: Axes, found: list[Case], values: pd.DataFrame, table: pd.DataFrame) -> None:
    """An input channel's share of M against its mean, each relative to the average channel, all seeds."""
    for case in reversed(found):  # the first case on top of the others
        channels = case.rows(table).groupby(["seed", "input_channel"]).agg({"magnitude": "sum", "input_mean": "first"})
        relative = channels.abs() / channels.abs().groupby("seed").transform("mean")
        label = f"{case.label}: {case.rows(values)['mean_correlation'].median():.2f}"
        axis.plot(relative["input_mean"], relative["magnitude"], ".", ms=3, color=case.colour, alpha=0.6, label=label)
    axis.set(xlabel="input channel's |mean| / average", ylabel="its share of M / average")
    axis.set_title("input channels, all seeds")
    legend: dict[str, Any] = {"title": "rank correlation,\nmedian over seeds", "title_fontsize": 7}
    legend |= {"markerscale": 2, "handletextpad": 0.1}
    if len(found) <= 2:
        axis.legend(**legend)
    else:  # too long to stand among the dots
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower right", ncols=2, **legend)
