"""Figure 6: without batch normalisation an untrained network gives nearly every image to the same class.

`python -m repro measure output_gradients --config config/quick.yaml`; 2 s per network on a CPU core.
What should come out: without BN one class's column is strongly positive for nearly every image, its mean predicted
probability typically 0.8 to 1; with BN that number is 0.2 to 0.8, though most images' likeliest class may be the same.
"""

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from repro import probes, style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.experiments.initialisation import subjects

COLUMNS = {
    "normalisation": "`batch` or `none`",
    "seed": "seed of the network's weights and of its mini-batch",
    "image": "number of the image within the mini-batch",
    "label": "the image's true class",
    "class": "class whose logit is meant",
    "probability": "predicted probability of `class` (softmax of the logits)",
    "gradient": "derivative of the mini-batch's mean loss with respect to the logit of `class`",
}

QUANTITIES = {
    "mean_probability": "mean probability of the favourite class",
    "share_of_images": "share of images whose most probable class it is",
    "share_pushed": "share of images whose gradient for it is above half of the largest possible",
}
PAPER_LIMIT, PAPER_BATCH = 0.0075, 128  # ends of the published colour scale, which is about 1 / batch


def measure(configuration: Configuration) -> pd.DataFrame:
    """dL/dO[b,j] = (softmax(O[b])[j] - [j = label of b]) / batch, one row per normalisation, seed, image and class."""
    depth = configuration.network.depth
    parts = []
    for subject in subjects(configuration, configuration.experiments.output_gradients.seeds):
        _, records = probes.capture_gradients(subject.network, subject.images, subject.labels, [depth])
        gradient = records[depth].output_gradient  # (batch, class)
        images, classes = np.indices(gradient.shape, dtype=np.int16)
        part = pd.DataFrame({"image": images.ravel(), "class": classes.ravel()})
        part["label"] = subject.labels.cpu().numpy()[part["image"]]
        part["probability"] = torch.softmax(records[depth].output.double(), dim=1).cpu().numpy().ravel()
        part["gradient"] = gradient.cpu().numpy().ravel()
        parts.append(part.assign(normalisation=subject.normalisation, seed=subject.seed))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def favourites(table: pd.DataFrame) -> pd.DataFrame:
    """How far a network prefers one class: max over j of the mean over images of softmax(O[b])[j].

    One row per normalisation and seed: `mean_probability`, that number (1 / classes to 1; NaN when the network
    overflowed), `share_of_images`, the share of images whose most probable class is that j, and `share_pushed`, the
    share of images whose gradient for j is above half of the largest possible, 1 / images.
    """
    rows = []
    for (normalisation, seed), chosen in table.groupby(["normalisation", "seed"]):
        gradients = chosen.pivot(index="image", columns="class", values="gradient").to_numpy()
        probabilities = chosen.pivot(index="image", columns="class", values="probability").to_numpy()
        means = probabilities.mean(axis=0)  # a network that overflowed has no predictions, so NaN stays NaN
        finite = np.isfinite(means).all()
        share = (probabilities.argmax(axis=1) == means.argmax()).mean() if finite else np.nan
        pushed = (gradients[:, means.argmax()] > 0.5 / len(gradients)).mean() if finite else np.nan
        rows.append((normalisation, seed, means.max(), share, pushed))
    return pd.DataFrame(rows, columns=["normalisation", "seed", *QUANTITIES])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Distribution over seeds of how far the networks prefer one class (`QUANTITIES`); not in the paper."""
    values = favourites(table).melt(["normalisation", "seed"], list(QUANTITIES), "quantity", "value")
    rows = []
    for (normalisation, quantity), chosen in values.groupby(["normalisation", "quantity"])["value"]:
        spread = chosen.quantile([0, 0.25, 0.5, 0.75, 1]).tolist()
        rows.append((normalisation, QUANTITIES[str(quantity)], *spread, int(chosen.isna().sum())))
    levels = ["minimum", "lower quartile", "median", "upper quartile", "maximum"]
    return pd.DataFrame(rows, columns=["normalisation", "quantity", *levels, "seeds that overflowed"])


def plot(table: pd.DataFrame) -> Figure:
    """Heat maps of the gradient, image x class, without BN (left) and with (middle); the favourites of all seeds.

    Shown is the network whose favourite class's mean probability is nearest the median.
    """
    figure, axes = style.panels(1, 3, height=3.6, width_ratios=[1, 1, 0.9])
    values = favourites(table)
    shown = {str(normalisation): _middle_seed(own) for normalisation, own in values.groupby("normalisation")}
    mesh = None
    for axis, normalisation in zip(axes[0], ("none", "batch"), strict=False):
        seed = shown[normalisation]
        mesh = _heat_map(axis, table[(table["normalisation"] == normalisation) & (table["seed"] == seed)])
        axis.set_title(f"{style.NAMES[normalisation]}, seed {seed}")
    axes[0, 0].set_ylabel("image of the mini-batch")
    assert mesh is not None
    limit = mesh.get_clim()[1]
    bar = figure.colorbar(mesh, ax=axes[0, :2].tolist(), extend="both", pad=0.02, ticks=[-limit, 0, limit])
    bar.ax.set_title(r"$\partial L/\partial O$", fontsize=9, pad=10)
    bar.ax.set_yticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"])
    _strip(axes[0, 2], values, shown)
    return figure


def _middle_seed(values: pd.DataFrame) -> int:
    """The seed nearest the median; the first where none has a finite value."""
    probability = values.set_index("seed")["mean_probability"]
    distance = (probability - probability.median()).abs()
    return int(probability.index[0] if distance.isna().all() else distance.idxmin())


def _heat_map(axis: Axes, chosen: pd.DataFrame) -> QuadMesh:
    values = chosen.pivot(index="image", columns="class", values="gradient")
    limit = PAPER_LIMIT * PAPER_BATCH / len(values)
    axis.set_facecolor("0.7")  # what is not finite shows as grey
    mesh = axis.pcolormesh(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
    step = max(1, values.shape[1] // 5)
    ticks = np.arange(0, values.shape[1], step)
    axis.set_xticks(ticks + 0.5, ticks)
    axis.set_xlabel("class")
    axis.invert_yaxis()
    return mesh


def _strip(axis: Axes, values: pd.DataFrame, shown: dict[str, int]) -> None:
    """Every seed's value, in order from left to right, the one of the heat maps ringed, and the median."""
    for place, normalisation in enumerate(("none", "batch")):
        own = values[values["normalisation"] == normalisation]
        chosen, ringed = own["mean_probability"], (own["seed"] == shown[normalisation]).to_numpy()
        across = place + 0.3 * np.linspace(-1, 1, len(chosen)) * (len(chosen) > 1)
        axis.plot(across, chosen, "o", ms=3.5, color=style.COLOURS[normalisation], alpha=0.7, mec="none")
        axis.plot(across[ringed], chosen[ringed], "o", ms=6, mfc="none", mec="0.2", mew=0.8)
        axis.hlines(chosen.median(), place - 0.38, place + 0.38, color="0.2", lw=1.5)
        lost = int(chosen.isna().sum())
        if lost:
            axis.text(place, 0.2, f"{lost} overflowed", ha="center", fontsize=7)
    axis.set_xticks([0, 1], [style.NAMES["none"].replace(" ", "\n"), style.NAMES["batch"].replace(" ", "\n")])
    axis.set(xlim=(-0.5, 1.5), ylim=(0, 1.04), ylabel="mean probability of the favourite class")
    axis.set_title(f"{values['seed'].nunique()} seeds")
    axis.text(0.5, 0.06, "bar: median\nring: seed shown", ha="center", fontsize=7, transform=axis.transAxes)


def _one_class_without(table: pd.DataFrame) -> Verdict:
    both = favourites(table).pivot(index="seed", columns="normalisation", values=list(QUANTITIES))
    values = both["mean_probability"].dropna()
    if values.empty:
        return verdict(None, "no seed with finite predictions with and without BN")
    pushed, given = both["share_pushed"].median(), both["share_of_images"].median()
    medians = values.median()
    above = (values["none"] > values["batch"]).mean()
    text = (
        f"favourite class's mean probability: median {medians['none']:.2f} "
        f"({values['none'].min():.2f} to {values['none'].max():.2f}) without BN, {medians['batch']:.2f} "
        f"({values['batch'].min():.2f} to {values['batch'].max():.2f}) with; "
        f"larger without in {100 * above:.0f} % of {len(values)} seeds; gradient above half of its maximum for "
        f"{pushed['none']:.0%} of the images without, {pushed['batch']:.0%} with; it is the most probable class of "
        f"{given['none']:.0%} and {given['batch']:.0%}"
    )
    return verdict(bool(medians["none"] >= 0.8 > medians["batch"]), text)


CLAIMS = [
    Claim(
        "At initialisation the output gradient of nearly every image pushes against the same class without BN, but "
        "not with BN (the favourite class's mean predicted probability is at least 0.8 without and less than 0.8 "
        "with BN, medians over seeds).",
        "Section 3.3, Figure 6",
        _one_class_without,
    ),
]
