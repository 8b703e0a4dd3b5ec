"""Figure 6: the gradient of the logits, image by image, and how far each network prefers one class."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from repro.results import style
from repro.results.cases import Case, cases, spreads
from repro.results.seed_strips import offsets, strips
from repro.settings.experiment import NETWORK_COLUMNS

QUANTITIES = {
    "mean_probability": "mean probability of the favourite class",
    "share_of_images": "share of images whose most probable class it is",
    "share_pushed": "share of images whose gradient for it is above half of the largest possible",
}
PAPER_LIMIT, PAPER_BATCH = 0.0075, 128  # ends of the published colour scale, which is about 1 / batch


def favourites(table: pd.DataFrame) -> pd.DataFrame:
    """How far a network prefers one class: max over j of the mean over images of softmax(O[b])[j].

    One row per network: `mean_probability`, that number (1 / classes to 1; NaN when the network overflowed),
    `share_of_images`, the share of images whose most probable class is that j, and `share_pushed`, the share of
    images whose gradient for j is above half of the largest possible, 1 / images.
    """
    rows = []
    for network, chosen in table.groupby(list(NETWORK_COLUMNS), sort=False):
        gradients = chosen.pivot(index="image", columns="class", values="gradient").to_numpy()
        probabilities = chosen.pivot(index="image", columns="class", values="probability").to_numpy()
        means = probabilities.mean(axis=0)  # a network that overflowed has no predictions, so NaN stays NaN
        finite = np.isfinite(means).all()
        share = (probabilities.argmax(axis=1) == means.argmax()).mean() if finite else np.nan
        pushed = (gradients[:, means.argmax()] > 0.5 / len(gradients)).mean() if finite else np.nan
        rows.append((*network, means.max(), share, pushed))
    return pd.DataFrame(rows, columns=[*NETWORK_COLUMNS, *QUANTITIES])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Distribution over seeds of how far the networks prefer one class (`QUANTITIES`); not in the paper."""
    return spreads(favourites(table), QUANTITIES, "seeds that overflowed")


def plot(table: pd.DataFrame) -> Figure:
    """A heat map of the gradient, image x class, for each case; in the last panel the favourites of all seeds.

    Shown is the network whose favourite class's mean probability is nearest the median.
    """
    found, values = cases(table), favourites(table)
    shown = [_middle_seed(case.rows(values)) for case in found]
    layout = style.wrapped([*range(len(found)), "seeds"], rest="seeds")
    figure, axes = style.mosaic(layout, width=max(6.8, 2.4 * len(layout[0])), height=3.6 * len(layout))
    meshes = []
    between = ", " if len(found) <= 2 else ",\n"
    for number, (case, seed) in enumerate(zip(found, shown, strict=True)):
        rows = case.rows(table)
        meshes.append(_heat_map(axes[number], rows[rows["seed"] == seed]))
        axes[number].set_title(f"{textwrap.fill(case.label, 26)}{between}seed {seed}")
    for row in layout:
        if row[0] != "seeds":
            axes[row[0]].set_ylabel("image of the mini-batch")
    # Networks whose mini-batches differ in size share the colours, but not the ends of the scale.
    ends = {f"{mesh.get_clim()[1]:.2g}" for mesh in meshes}
    end = ends.pop() if len(ends) == 1 else f"{PAPER_LIMIT * PAPER_BATCH:.2g} / images"
    limit = meshes[-1].get_clim()[1]
    beside = [axes[number] for number in range(len(found))]
    bar = figure.colorbar(meshes[-1], ax=beside, extend="both", pad=0.02, ticks=[-limit, 0, limit])
    bar.ax.set_title(r"$\partial L/\partial O$", fontsize=9, pad=10, loc="left")
    bar.ax.set_yticklabels([f"−{end}", "0", end])
    _favourites(axes["seeds"], found, values, shown)
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


def _favourites(axis: Axes, found: list[Case], values: pd.DataFrame, shown: list[int]) -> None:
    """Every seed's value and the median, the seed of the heat map ringed."""
    strips(axis, found, values, "mean_probability")
    for place, (case, seed) in enumerate(zip(found, shown, strict=True)):
        own = case.rows(values)
        ringed, probability = (own["seed"] == seed).to_numpy(), own["mean_probability"]
        across = place + offsets(len(own))
        axis.plot(across[ringed], probability[ringed], "o", ms=6, mfc="none", mec="0.2", mew=0.8)
        lost = int(probability.isna().sum())
        if lost:
            axis.text(place, 0.2, f"{lost} overflowed", ha="center", fontsize=7)
    axis.set(ylim=(0, 1.04), ylabel="mean probability of the favourite class")
    axis.set_title(f"{values['seed'].nunique()} seeds")
    axis.text(0.5, 0.06, "bar: median\nring: seed shown", ha="center", fontsize=7, transform=axis.transAxes)
