"""Figure 5 beyond initialisation: moments of activations by depth while networks train.

`python -m repro train batch-0.1`, and so on for each condition, then `python -m repro measure moments`. The paper
shows the moments at initialisation only; training records them on the way, at the shares of the cycle in
`training.moments_after`, so this takes no further time.
"""

import math

import pandas as pd
from matplotlib.figure import Figure

from repro import style
from repro.claims import Claim
from repro.config import Configuration
from repro.training.results import MOMENT_COLUMNS, gather

COLUMNS = MOMENT_COLUMNS
COLUMNS_OF_PANELS = 4  # at most
MOMENTS = {"log_standard_deviation": "-", "log_mean": ":"}  # and how their lines look


def measure(configuration: Configuration) -> pd.DataFrame:
    """Moments of every layer, one row per condition, seed, epoch looked at and layer.

    Raises `UserError` when a condition is not trained yet, or was trained under other settings.
    """
    return gather(configuration, "-moments")


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per condition and epoch, means over seeds: ln(std) of the second layer and of the last convolution, and between.

    A diverged network is counted among the seeds up to where it was looked at last.
    """
    layers = sorted(table["layer"].unique())
    first, last = layers[1], layers[-2]
    rows = []
    for (condition, epoch), chosen in table.groupby(["condition", "epoch"], sort=False):
        means = chosen.groupby("layer")["log_standard_deviation"].mean()
        rows.append(
            {
                "condition": condition,
                "epochs done": epoch,
                "seeds": chosen["seed"].nunique(),
                f"ln(std), layer {first}": means[first],
                f"ln(std), layer {last}": means[last],
                "growth": means[last] - means[first],
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """One panel per condition: ln(std) (solid) and ln|mean| (dotted) against the layer, a colour per epoch."""
    conditions = list(table["condition"].unique())
    rows = math.ceil(len(conditions) / COLUMNS_OF_PANELS)
    columns = math.ceil(len(conditions) / rows)
    options = {"sharex": True, "sharey": True}
    figure, axes = style.panels(rows, columns, width=2.4 * columns + 1.2, height=2.3 * rows + 0.4, **options)
    for axis in axes.flat[len(conditions) :]:
        axis.set_visible(False)
    colours = style.sequence(int(table.groupby("condition")["epoch"].nunique().max()))
    for axis, condition in zip(axes.flat, conditions, strict=False):
        chosen = table[table["condition"] == condition]
        shares = sorted((chosen["epoch"] / chosen["epochs"]).unique())
        for share, colour in zip(shares, colours, strict=False):
            then = chosen[chosen["epoch"] / chosen["epochs"] == share]
            for moment, line in MOMENTS.items():
                means = then.groupby("layer")[moment].mean()
                label = f"after {share:.0%}" if moment == "log_standard_deviation" else None
                axis.plot(means.index, means, line, color=colour, label=label)
        name, rate = style.NAMES[chosen["normalisation"].iloc[0]], chosen["initial_learning_rate"].iloc[0]
        axis.set_title(f"{name}, rate {rate:g} ({chosen['seed'].nunique()} seeds)")
        axis.legend(fontsize=6.5)
        axis.tick_params(labelbottom=True)
    figure.supxlabel("layer", fontsize=9)
    figure.supylabel("mean over channels and seeds of\nln(std), solid, and ln|mean|, dotted", fontsize=9)
    return figure


# The paper says nothing on activations after initialisation.
CLAIMS: list[Claim] = []
