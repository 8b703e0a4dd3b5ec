"""Figure 5: without batch normalisation, activations grow with depth at initialisation.

`python -m repro measure activation_growth --config config/quick.yaml`; 2 s per network on a CPU core.
What should come out: with BN both moments stay within a narrow band at every layer; without, they grow by about four
natural-log units from the first stage to the last, and the seeds differ hugely.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro import probes, style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.experiments.initialisation import subjects
from repro.layers import equivalent_layer

COLUMNS = {
    "normalisation": "`batch` or `none`",
    "seed": "seed of the network's weights and of its mini-batch",
    "layer": "layer by the paper's numbers; the last is the classifier",
    "channel": "output channel of the layer",
    "mean": "mean of the raw output over batch and space, before any normalisation and ReLU",
    "variance": "variance (divided by n) of the same",
}

# Read off the published plot: layer -> mean over channels of ln|mean| and of ln(standard deviation).
PAPER_LAYERS = (6, 18, 30, 42, 54, 66, 78, 90, 102, 110)
PUBLISHED = {
    ("batch", "mean"): (-0.9, 0.2, 0.5, -0.8, -0.3, 0.1, -1.0, -0.35, 0.0, -0.6),
    ("batch", "standard deviation"): (0.1, 0.6, 0.9, 0.05, 0.6, 0.9, 0.0, 0.55, 0.9, -0.8),
    ("none", "mean"): (-1.5, -1.4, -0.3, -0.3, -0.3, 0.75, 1.25, 1.9, 2.8, 3.5),
    ("none", "standard deviation"): (-1.25, -1.1, -0.3, -0.2, 0.15, 0.9, 1.4, 2.2, 3.0, 2.0),
}


def measure(configuration: Configuration) -> pd.DataFrame:
    """Moments of every channel of every layer's raw output, one row per normalisation, seed, layer and channel."""
    parts = []
    for subject in subjects(configuration, configuration.experiments.activation_growth.seeds):
        layers = range(1, subject.network.depth + 1)
        moments = probes.reduce_outputs(subject.network, subject.images, layers, probes.channel_moments)
        for layer, (channel_means, channel_variances) in moments.items():
            mean, variance = channel_means.cpu().numpy(), channel_variances.cpu().numpy()
            part = pd.DataFrame({"channel": np.arange(len(mean)), "mean": mean, "variance": variance})
            parts.append(part.assign(normalisation=subject.normalisation, seed=subject.seed, layer=layer))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def log_moments(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over channels of ln|mean_c| and of ln std_c, one row per normalisation, seed, layer and moment.

    A channel whose moment is exactly zero has no logarithm and is left out; a moment that is not finite makes its
    layer's value NaN. Figure 5.
    """
    with np.errstate(divide="ignore"):
        logarithms = table.assign(
            **{"mean": np.log(table["mean"].abs()), "standard deviation": 0.5 * np.log(table["variance"])}
        )
    columns = ["mean", "standard deviation"]
    # Means leave out NaN: zeros' logarithms have to go, what overflowed has to stay until the mean is taken.
    logarithms[columns] = logarithms[columns].fillna(np.inf).replace({-np.inf: np.nan})
    means = logarithms.groupby(["normalisation", "seed", "layer"])[columns].mean().replace({np.inf: np.nan})
    means = means.reset_index()
    return means.melt(["normalisation", "seed", "layer"], columns, "moment", "value")


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and one standard deviation over seeds at the paper's layers, or their like, beside the published values."""
    values = log_moments(table)
    depth = table["layer"].max()
    rows = []
    for (normalisation, moment), published in PUBLISHED.items():
        own = values[(values["normalisation"] == normalisation) & (values["moment"] == moment)]
        at_depth = dict.fromkeys((equivalent_layer(layer, int(depth)) for layer in PAPER_LAYERS), np.nan)
        if depth == PAPER_LAYERS[-1]:
            at_depth = dict(zip(PAPER_LAYERS, published, strict=True))
        for layer, value in at_depth.items():
            chosen = own.loc[own["layer"] == layer, "value"]
            rows.append((normalisation, moment, layer, chosen.mean(), chosen.std(), value))
    columns = ["normalisation", "moment", "layer", "ln, mean over seeds", "ln, std over seeds", "ln, published"]
    return pd.DataFrame(rows, columns=columns)


def plot(table: pd.DataFrame) -> Figure:
    """Ln of the channel means (left) and standard deviations (right) against depth, mean and one std over seeds."""
    values = log_moments(table)
    depth = values.layer.max()
    figure, axes = style.panels(1, 2)
    for axis, moment in zip(axes[0], ("mean", "standard deviation"), strict=True):
        for normalisation in ("batch", "none"):
            chosen = values[(values.normalisation == normalisation) & (values.moment == moment)]
            bands = chosen.groupby("layer")["value"].agg(["mean", "std"])
            colour = style.COLOURS[normalisation]
            axis.plot(bands.index, bands["mean"], color=colour, label=style.NAMES[normalisation])
            axis.fill_between(
                bands.index, bands["mean"] - bands["std"], bands["mean"] + bands["std"], color=colour, alpha=0.2, lw=0
            )
            if depth == PAPER_LAYERS[-1]:
                published = PUBLISHED[normalisation, moment]
                axis.plot(PAPER_LAYERS, published, "o", mfc="white", mec=colour, ms=4)
        symbol = r"$\ln|\mu_c|$" if moment == "mean" else r"$\ln\,\sigma_c$"
        axis.set(xlabel="layer", ylabel=f"{symbol}, mean over channels", title=f"channel {moment}s")
    if depth == PAPER_LAYERS[-1]:
        axes[0, 0].plot([], [], "o", mfc="white", mec="0.4", ms=4, label="published (read off)")
    axes[0, 0].legend(title=f"band: ±1 std over {table.seed.nunique()} seeds", title_fontsize=7)
    return figure


def _growth(values: pd.DataFrame, normalisation: str) -> pd.Series:
    """Per seed, how much ln(standard deviation) rises from the first tenth of the convolutions to the last."""
    chosen = values[(values.normalisation == normalisation) & (values.moment == "standard deviation")]
    by_layer = chosen.pivot(index="seed", columns="layer", values="value").iloc[:, :-1]
    tenth = max(1, by_layer.shape[1] // 10)
    return by_layer.iloc[:, -tenth:].mean(axis=1) - by_layer.iloc[:, :tenth].mean(axis=1)


def _grows_without(table: pd.DataFrame) -> Verdict:
    values = log_moments(table)
    with_, without = _growth(values, "batch"), _growth(values, "none")
    if not np.isfinite([*with_, *without]).all():
        return verdict(None, "activations overflowed")
    holds = bool((without > with_ + 1).all())
    text = (
        f"ln std rises by {without.mean():.2f} ± {without.std():.2f} without BN, "
        f"{with_.mean():.2f} ± {with_.std():.2f} with, over {len(without)} seeds"
    )
    return verdict(holds, text)


CLAIMS = [
    Claim(
        "Without BN, channel standard deviations grow with depth at initialisation; with BN they do not "
        "(in every seed by more than a factor e beyond any growth with BN).",
        "Section 3.2, Figure 5",
        _grows_without,
    ),
]
