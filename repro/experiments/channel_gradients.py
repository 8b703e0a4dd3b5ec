"""Figure 7: without batch normalisation a few channels carry the gradient of a kernel at initialisation.

`python -m repro measure channel_gradients --config config/quick.yaml`; 3 s per network on a CPU core.
What should come out: without BN a matrix over input and output channels that is nearly of rank one (effective rank
below 3 of 32), its strong columns those whose input channel has a large mean; with BN an even one.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from repro import probes, style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.experiments.effective_rank import effective_rank
from repro.experiments.initialisation import subjects
from repro.layers import equivalent_layer

COLUMNS = {
    "normalisation": "`batch` or `none`",
    "seed": "seed of the network's weights and of its mini-batch",
    "layer": "layer by the paper's numbers",
    "input_channel": "input channel i of the kernel",
    "output_channel": "output channel o of the kernel",
    "magnitude": "M[i,o]: sum over the kernel's positions of the absolute gradient of the mini-batch's mean loss",
    "input_mean": "mean over batch and space of the convolution's input in channel i",
    "output_gradient": "mean over batch and space of the absolute derivative of the loss with respect to the "
    "convolution's output in channel o",
}

PAPER_LAYER = 45
QUANTITIES = {
    "effective_rank": "effective rank of M, from its singular values",
    "rank_of_squares": "the same from their squares",
    "leading_share": "share of M's squared singular values in the largest",
    "top_input_share": "share of M in its strongest input channel",
    "top_output_share": "share of M in its strongest output channel",
    "mean_correlation": "rank correlation of |input channel's mean| with its share of M",
    "gradient_correlation": "rank correlation of output channel's mean |gradient| with its share of M",
}


def channel_magnitudes(kernel_gradient: Tensor) -> Tensor:
    """M[i,o] = sum over y', x' of |G[o,i,y',x']|; (out, in, y, x) -> (in, out). Figure 7."""
    return kernel_gradient.abs().sum(dim=(2, 3)).T


def measure(configuration: Configuration) -> pd.DataFrame:
    """M and the channels' moments of one layer, one row per normalisation, seed, input and output channel."""
    settings = configuration.experiments.channel_gradients
    layer = settings.layer or equivalent_layer(PAPER_LAYER, configuration.network.depth)
    parts = []
    for subject in subjects(configuration, settings.seeds):
        _, records = probes.capture_gradients(subject.network, subject.images, subject.labels, [layer])
        record = records[layer]
        gradient = probes.kernel_gradient(subject.network.layer(layer), record.input, record.output_gradient)
        magnitudes = channel_magnitudes(gradient).cpu().numpy()
        inputs, outputs = np.indices(magnitudes.shape, dtype=np.int16)
        part = pd.DataFrame({"input_channel": inputs.ravel(), "output_channel": outputs.ravel()})
        part["magnitude"] = magnitudes.ravel()
        part["input_mean"] = record.input.double().mean(dim=(0, 2, 3)).cpu().numpy()[part["input_channel"]]
        sizes = record.output_gradient.double().abs().mean(dim=(0, 2, 3)).cpu().numpy()
        part["output_gradient"] = sizes[part["output_channel"]]
        parts.append(part.assign(normalisation=subject.normalisation, seed=subject.seed, layer=layer))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def matrix(chosen: pd.DataFrame) -> pd.DataFrame:
    """M of one network, from its rows of the table: input channels as rows, output channels as columns."""
    return chosen.pivot(index="input_channel", columns="output_channel", values="magnitude")


def concentrations(table: pd.DataFrame) -> pd.DataFrame:
    """How few channels carry the gradient: `QUANTITIES` as columns, one row per normalisation and seed.

    The effective rank is that of M's singular values, as Roy and Vetterli define it, and of their squares. M is
    nowhere negative, so its leading singular value is large also when all channels are alike; that is what the values
    with BN show. NaN where M is not finite or zero.
    """
    rows = []
    for (normalisation, seed), chosen in table.groupby(["normalisation", "seed"]):
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
        rows.append({"normalisation": normalisation, "seed": seed} | values)
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Distribution over seeds of how few channels carry the gradient; the paper has a picture, no numbers."""
    values = concentrations(table)
    rows = []
    for normalisation, chosen in values.groupby("normalisation"):
        for name, meaning in QUANTITIES.items():
            spread = chosen[name].quantile([0, 0.25, 0.5, 0.75, 1]).tolist()
            rows.append((normalisation, meaning, *spread, int(chosen[name].isna().sum())))
    levels = ["minimum", "lower quartile", "median", "upper quartile", "maximum"]
    return pd.DataFrame(rows, columns=["normalisation", "quantity", *levels, "seeds without a value"])


def plot(table: pd.DataFrame) -> Figure:
    """M of the first seed with BN (left) and without (right); below, all seeds: effective ranks, and what M follows."""
    figure, axes = style.panels(2, 2, width=6.4, height=5.6, height_ratios=[1.25, 1])
    seed = table["seed"].min()
    for axis, normalisation in zip(axes[0], ("batch", "none"), strict=True):
        magnitudes = matrix(table[(table["normalisation"] == normalisation) & (table["seed"] == seed)])
        axis.set_facecolor("0.7")  # what is not finite shows as grey
        shown = np.ma.masked_invalid(magnitudes)
        image = axis.imshow(shown, cmap="viridis", vmin=0, aspect="auto", interpolation="none")
        axis.set(xlabel="output channel", title=f"{style.NAMES[normalisation]}, seed {seed}")
        bar = figure.colorbar(image, ax=axis, pad=0.03)
        bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]  # a ScalarFormatter
        bar.formatter.set_useMathText(True)  # type: ignore[attr-defined]
    axes[0, 0].set_ylabel("input channel")
    label = rf"$M = \sum_{{x',y'}}|\partial L/\partial K|$, layer {table['layer'].iloc[0]}"
    axes[0, 1].images[0].colorbar.set_label(label)
    _ranks(axes[1, 0], concentrations(table), matrix_size=int(table["input_channel"].max()) + 1)
    _means(axes[1, 1], table)
    return figure


def _ranks(axis: Axes, values: pd.DataFrame, matrix_size: int) -> None:
    """Every seed's effective rank, sideways apart, and the median."""
    for place, normalisation in enumerate(("batch", "none")):
        chosen = values.loc[values["normalisation"] == normalisation, "effective_rank"]
        across = place + 0.3 * np.linspace(-1, 1, len(chosen)) * (len(chosen) > 1)
        axis.plot(across, chosen, "o", ms=4, color=style.COLOURS[normalisation], alpha=0.7, mec="none")
        axis.hlines(chosen.median(), place - 0.38, place + 0.38, color="0.2", lw=1.5)
    axis.set_xticks([0, 1], [style.NAMES["batch"], style.NAMES["none"]])
    axis.set(xlim=(-0.5, 1.5), yscale="log", ylim=(0.9, matrix_size * 1.1), ylabel="effective rank of M")
    axis.text(0.98, 0.96, "bar: median", transform=axis.transAxes, ha="right", va="top", fontsize=7)
    ticks = [tick for tick in (1, 2, 4, 8, 16, 32, 64) if tick <= matrix_size]
    axis.set_yticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_title(f"{values['seed'].nunique()} seeds")


def _means(axis: Axes, table: pd.DataFrame) -> None:
    """An input channel's share of M against its mean, each relative to the average channel, all seeds."""
    correlations = concentrations(table).groupby("normalisation")["mean_correlation"].median()
    for normalisation in ("none", "batch"):
        chosen = table[table["normalisation"] == normalisation]
        channels = chosen.groupby(["seed", "input_channel"]).agg({"magnitude": "sum", "input_mean": "first"})
        relative = channels.abs() / channels.abs().groupby("seed").transform("mean")
        label = f"{style.NAMES[normalisation]}: {correlations.get(normalisation, np.nan):.2f}"
        colour = style.COLOURS[normalisation]
        axis.plot(relative["input_mean"], relative["magnitude"], ".", ms=3, color=colour, alpha=0.6, label=label)
    axis.set(xlabel="input channel's |mean| / average", ylabel="its share of M / average")
    axis.set_title("input channels, all seeds")
    axis.legend(title="rank correlation,\nmedian over seeds", title_fontsize=7, markerscale=2, handletextpad=0.1)


def _low_rank_without(table: pd.DataFrame) -> Verdict:
    both = concentrations(table).pivot(
        index="seed", columns="normalisation", values=["effective_rank", "rank_of_squares"]
    )
    values, squares = both["effective_rank"].dropna(), both["rank_of_squares"].median()
    if values.empty:
        return verdict(None, "no seed with a finite matrix with and without BN")
    low, high, medians = values.min(), values.max(), values.median()
    text = (
        f"effective rank, median over {len(values)} seeds: {medians['none']:.2g} ({low['none']:.2g} to "
        f"{high['none']:.2g}) without BN, {medians['batch']:.2g} ({low['batch']:.2g} to {high['batch']:.2g}) with; "
        f"by squared singular values {squares['none']:.2f} and {squares['batch']:.2f}, as M is nowhere negative"
    )
    return verdict(bool(medians["none"] < 3 and (values["batch"] > 2 * values["none"]).all()), text)


def _few_channels_without(table: pd.DataFrame) -> Verdict:
    values = concentrations(table).pivot(index="seed", columns="normalisation", values="top_input_share").dropna()
    if values.empty:
        return verdict(None, "no seed with a finite matrix with and without BN")
    medians = values.median()
    text = (
        f"share of the strongest input channel, median over {len(values)} seeds: {medians['none']:.1%} without BN, "
        f"{medians['batch']:.1%} with, {1 / (table['input_channel'].max() + 1):.1%} if all were alike"
    )
    return verdict(bool((values["none"] > 2 * values["batch"]).all()), text)


def _follows_means(table: pd.DataFrame) -> Verdict:
    values = concentrations(table).groupby("normalisation")["mean_correlation"]
    median, low = values.median().get("none", np.nan), values.min().get("none", np.nan)
    if not np.isfinite(median):
        return verdict(None, "no seed with a finite matrix without BN")
    text = (
        f"rank correlation without BN: median {median:.2f}, smallest {low:.2f}; "
        f"with BN: median {values.median().get('batch', np.nan):.2f}"
    )
    return verdict(bool(median > 0.8), text)


CLAIMS = [
    Claim(
        "Without BN the gradient over input and output channels is nearly of low rank, with BN much less (effective "
        "rank, from singular values, below 3 in the median without BN, and in every seed less than half of that with "
        "BN).",
        "Section 3.3, Figure 7",
        _low_rank_without,
        recalled=True,
    ),
    Claim(
        "Without BN some channels dominate the gradient (in every seed the strongest input channel's share is more "
        "than twice that with BN).",
        "Section 3.3, Figure 7",
        _few_channels_without,
        recalled=True,
    ),
    Claim(
        "The channels that dominate without BN are those with a large mean (rank correlation of an input channel's "
        "mean and its share of the gradient above 0.8, median over seeds).",
        "Appendix G",
        _follows_means,
        recalled=True,
    ),
]
