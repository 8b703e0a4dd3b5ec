"""The diverging update: figure, and ranges beside the published ones."""

import math

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.results import style
from repro.results.cases import Case, cases

QUANTITIES = ("lowest mean", "highest mean", "highest variance")
# Read off the published plots, without BN: layer -> `QUANTITIES` over the channels and along the update.
PUBLISHED = {8: (-0.9, 1.4, 1.0), 44: (-3900.0, 2700.0, 5.4e6), 80: (-3e8, 1.9e8, 5.5e16)}


def published(case: Case) -> dict[tuple[str, str], float]:
    """The published numbers by layer and quantity: of a network without BN that was taken up untrained."""
    if case.normalisation != "none" or case.after != 0:
        return {}
    return {
        (str(layer), quantity): value
        for layer, numbers in PUBLISHED.items()
        for quantity, value in zip(QUANTITIES, numbers, strict=True)
    }


def ranges(table: pd.DataFrame) -> pd.DataFrame:
    """Along each network's update, per seed and layer: lowest and highest channel mean, highest channel variance.

    The rows of one case; a mean that is not finite is left out, a variance that is not counts as infinite.
    """
    finite = table.assign(
        mean=table["mean"].where(np.isfinite(table["mean"])), variance=table["variance"].fillna(np.inf)
    )
    found = finite.groupby(["seed", "layer"]).agg({"mean": ["min", "max"], "variance": "max"})
    return found.set_axis(list(QUANTITIES), axis=1).reset_index()


def shown_seed(table: pd.DataFrame) -> int:
    """The seed of a case that the figure shows: the first that diverged, or the first of all when none did."""
    return int(table.sort_values(["status", "seed"])["seed"].iloc[0])  # `diverged` sorts before `not diverged`


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Ranges of the moments along the figure's updates, their spread over the seeds that diverged, published ranges."""
    return pd.concat([_summary(case, case.rows(table)) for case in cases(table)], ignore_index=True)


def _summary(case: Case, table: pd.DataFrame) -> pd.DataFrame:
    shown = shown_seed(table)
    seeds = table.groupby("seed").agg(step=("step", "first"), status=("status", "first"))
    losses = table.groupby(["seed", "position"])["loss"].first().unstack()
    diverged = set(seeds.index[seeds["status"] == "diverged"])
    # (layer, quantity) -> value of each seed
    values = {
        ("all", "step"): seeds["step"],
        ("all", "loss before"): losses[0.0],
        ("all", "loss after"): losses[1.0],
    }
    for layer, found in ranges(table).groupby("layer"):
        for quantity in QUANTITIES:
            values[str(layer), quantity] = found.set_index("seed")[quantity]
    rows = []
    for (layer_name, quantity), value in values.items():
        spread = value[value.index.isin(diverged)]
        rows.append(
            {
                "recipe": case.recipe,
                "after": case.after,
                "layer": layer_name,
                "quantity": quantity,
                "seed shown": shown,
                "its value": float(value[shown]),
                "diverged seeds": len(diverged),
                "their median": spread.median(),
                "least": spread.min(),
                "largest": spread.max(),
                "published (ResNet-110, CIFAR-10)": published(case).get((layer_name, quantity), np.nan),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Channel means (top) and variances (bottom) along the update, a column for each layer, a line for each channel.

    A block of panels for each recipe and moment, in two columns where there are more than two.
    """
    compared = cases(table)
    columns = 1 if len(compared) <= 2 else 2
    rows = math.ceil(len(compared) / columns)
    width = max(6.8, 2.3 * table["layer"].nunique())
    style.apply()
    figure = plt.figure(figsize=(columns * width, rows * 4.0))
    blocks = figure.subfigures(rows, columns, squeeze=False)
    for block, case in zip(blocks.flat, compared, strict=False):
        own = case.rows(table)
        update = own[own["seed"] == shown_seed(own)]
        layers = sorted(update["layer"].unique())
        axes = block.subplots(2, len(layers), sharex=True, squeeze=False)
        for column, layer in enumerate(layers):
            for axis, moment in zip(axes[:, column], ("mean", "variance"), strict=True):
                _panel(axis, update[update["layer"] == layer], moment)
            axes[0, column].set_title(f"layer {layer}")
            axes[1, column].set(xlabel="% of the update", xlim=(0, 100))
        axes[0, 0].set_ylabel("channel mean")
        axes[1, 0].set_ylabel("channel variance")
        block.suptitle(_outcome(case, update), fontsize=8.5)
    return figure


def _outcome(case: Case, update: pd.DataFrame) -> str:
    """What happened in the update that is shown."""
    first = update.iloc[0]
    losses = update.groupby("position")["loss"].first()
    network = f"{case.label}, learning rate {first['learning_rate']:g}, seed {first['seed']}"
    if first["status"] != "diverged":
        return f"{network}: no update diverged; shown is the last, number {first['step']}"
    return f"{network}: update {first['step']} takes the mini-batch loss from {losses[0.0]:.3g} to {losses[1.0]:.3g}"


def _panel(axis: Axes, moments: pd.DataFrame, moment: str) -> None:
    """One moment along the update, a line for each channel, dark to light by where it ends; overflows are left out."""
    lines = moments.pivot(index="position", columns="channel", values=moment)
    finite = np.isfinite(lines.to_numpy())
    lines = lines.where(finite)
    order = lines.ffill().iloc[-1].rank(method="first", na_option="bottom").astype(int) - 1
    colours = style.sequence(len(order))
    for channel, rank in order.items():
        axis.plot(100 * lines.index, lines[channel], lw=0.7, color=colours[rank])
    axis.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axis.yaxis.get_offset_text().set_fontsize(7)
    if not finite.all():
        share = (~finite.all(axis=1)).sum()
        text = f"overflow at {share} of {len(lines)} positions"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=7, color="0.3")
