"""Figure 3: the loss along one gradient step, at the first mini-batches of training.

`python -m repro measure step_landscape --config config/quick.yaml`; on a CPU core a ResNet-110 takes 3 s per training
step and 1 s per step length. What should come out: with BN the loss falls for steps up to 0.025 and more; without, it
falls only for steps a hundred times smaller, and soon explodes.
"""

import copy
from collections.abc import Iterator
from typing import Literal, cast

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro import datasets, devices, style
from repro.config import Configuration
from repro.experiments.first_steps import trainee
from repro.progress import track

COLUMNS = {
    "normalisation": "`batch` or `none`",
    "seed": "seed of the network's weights, of the order of its mini-batches and of their augmentation",
    "mini_batch": "training step, from 1, before whose update the loss was examined",
    "step_length": "a in w - a g, with g the gradient of the mini-batch's loss, without weight decay, at the weights w",
    "loss_before": "L(w), mean cross-entropy of the mini-batch, nats",
    "relative_loss": "L(w - a g) / L(w) on the same mini-batch; infinite or missing where float32 overflows",
}

EXPLOSION = 1e6  # the relative loss at which the published panel without BN ends
# Read off the published plots: (normalisation, mini-batch) -> the numbers that `features` measures.
PUBLISHED = {
    ("batch", 1): {"step at minimum": 0.025, "minimum": 10**-0.07},
    ("batch", 4): {"step at minimum": 0.04, "minimum": 10**-0.15},
    ("batch", 7): {"step at minimum": 0.1, "minimum": 10**-0.11},
    ("none", 1): {"step at minimum": 2.4e-4, "minimum": 0.1, "step back at 1": 7e-4, "step at 1e6": 2.7e-3},
    ("none", 4): {"step at 1e6": 4.4e-3},
    ("none", 7): {"step at 1e6": 7e-3},
}
FEATURES = ("step at minimum", "minimum", "step back at 1", "step at 1e6")


def losses_along_step(
    network: nn.Module, images: Tensor, labels: Tensor, step_lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """L(w - a g) for each step length a, with w the parameters and g their `.grad`. Section 3.1, Figure 3.

    L is the mean cross-entropy of images float (batch, channel, y, x) and labels int64 (batch,), with the network in
    the mode it is in. Returns shape (step length,). Works on a copy: the network and its running averages are
    untouched.
    """
    trial = copy.deepcopy(network)
    losses = []
    with torch.no_grad():
        for length in step_lengths:
            for moved, parameter in zip(trial.parameters(), network.parameters(), strict=True):
                assert parameter.grad is not None
                moved.copy_(parameter - float(length) * parameter.grad)
            losses.append(functional.cross_entropy(trial(images), labels).item())
    return np.array(losses)


def measure(configuration: Configuration) -> pd.DataFrame:
    """Relative losses, one row per normalisation, seed, mini-batch and step length.

    Networks are trained as usual, with the momentum, weight decay and augmentation of `training` and the rates of
    this experiment; the examined steps come on top and leave no trace. Raises `UserError` when there are fewer
    training images than a mini-batch holds.
    """
    settings = configuration.experiments.step_landscape
    pieces = 2 * settings.seeds * len(set(settings.mini_batches))
    return pd.concat(track(_curves(configuration), "mini-batches examined", pieces), ignore_index=True)[list(COLUMNS)]


def _curves(configuration: Configuration) -> Iterator[pd.DataFrame]:
    """One examined mini-batch after another."""
    settings = configuration.experiments.step_landscape
    device = devices.prepare(configuration.device)
    data = datasets.load(configuration.data)
    step_lengths = np.geomspace(settings.step_minimum, settings.step_maximum, settings.points)
    rates: dict[Literal["batch", "none"], float] = {
        "batch": settings.learning_rate_batch,
        "none": settings.learning_rate_none,
    }
    depth = settings.depth or configuration.network.depth
    for seed in range(settings.seeds):
        for normalisation, rate in rates.items():
            trained = trainee(configuration, data, device, normalisation, depth, rate, seed)
            for step in range(1, max(settings.mini_batches) + 1):
                images, labels = next(trained.batches)
                before = trained.gradient(images, labels)
                if step in settings.mini_batches:
                    losses = losses_along_step(trained.network, images, labels, step_lengths)
                    curve = pd.DataFrame({"step_length": step_lengths, "relative_loss": losses / before})
                    yield curve.assign(normalisation=normalisation, seed=seed, mini_batch=step, loss_before=before)
                trained.optimiser.step()


def median_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of the relative loss, per normalisation, mini-batch and step length; overflow counts as
    infinite.
    """
    whole = table.assign(relative_loss=table["relative_loss"].fillna(np.inf))
    keys = ["normalisation", "mini_batch", "step_length"]
    return whole.groupby(keys)["relative_loss"].median().reset_index()


def crossing(curve: pd.Series, level: float) -> float:
    """The step length beyond the curve's minimum at which it first reaches `level`; NaN where it does not.

    Interpolated linearly in log-log between neighbours; next to an overflow, the overflowing step length itself.
    `curve` holds relative losses, positive or infinite, indexed by rising step lengths.
    """
    beyond = curve.loc[curve.idxmin() :]
    reached = np.flatnonzero(beyond.to_numpy() >= level)
    if not len(reached) or reached[0] == 0:
        return float("nan")
    (lower, upper), (low, high) = beyond.index[reached[0] - 1 : reached[0] + 1], beyond.iloc[reached[0] - 1 :][:2]
    if not np.isfinite(high):
        return float(upper)
    share = (np.log(level) - np.log(low)) / (np.log(high) - np.log(low))
    return float(np.exp(np.log(lower) + share * (np.log(upper) - np.log(lower))))


def features(curves: pd.DataFrame) -> pd.DataFrame:
    """Where and how deep the minimum is, and where the curve is back at 1 and reaches 1e6 (NaN: not in this range).

    One row per normalisation and mini-batch of `median_curves`, `FEATURES` as columns. A loss that is nowhere lower
    than at a = 0 has no minimum along the step: NaN, and it is back at 1 at the shortest step.
    """
    rows = []
    for (normalisation, mini_batch), chosen in curves.groupby(["normalisation", "mini_batch"]):
        curve = chosen.set_index("step_length")["relative_loss"]
        falls = curve.min() < 1
        rows.append(
            {
                "normalisation": normalisation,
                "mini_batch": mini_batch,
                "step at minimum": curve.idxmin() if falls else np.nan,
                "minimum": curve.min() if falls else np.nan,
                "step back at 1": crossing(curve, 1.0) if falls else curve.index[0],
                "step at 1e6": crossing(curve, EXPLOSION),
            }
        )
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """The features of the median curves beside the published ones; a dash: not reached, or not published."""
    rows = []
    for measured in features(median_curves(table)).to_dict("records"):
        published = PUBLISHED.get((measured["normalisation"], measured["mini_batch"]), {})
        for feature in FEATURES:
            row = {key: measured[key] for key in ("normalisation", "mini_batch")} | {"quantity": feature}
            row["measured"] = measured[feature]
            row["published (ResNet-110, CIFAR-10)"] = published.get(feature, np.nan)
            rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Relative loss against step length with BN (left) and without (right), a curve for each mini-batch."""
    figure, axes = style.panels(1, 2, height=3.1)
    medians = median_curves(table)
    for axis, normalisation in zip(axes[0], ("batch", "none"), strict=True):
        chosen = medians[medians["normalisation"] == normalisation]
        colours = _shades(normalisation, chosen["mini_batch"].nunique())
        for number, (mini_batch, curve) in enumerate(chosen.groupby("mini_batch")):
            colour = colours[number]
            drawn = curve.set_index("step_length")["relative_loss"]
            line = ("-", "--", ":", "-.")[number % 4]
            axis.plot(drawn[np.isfinite(drawn)], line, color=colour, lw=1.8, label=f"mini-batch {mini_batch}")
            overflown = drawn.index[~np.isfinite(drawn)]
            height = np.full(len(overflown), 0.98 - 0.04 * number)
            axis.plot(overflown, height, "x", color=colour, ms=4, transform=axis.get_xaxis_transform())
            faint = table[(table["normalisation"] == normalisation) & (table["mini_batch"] == mini_batch)]
            if faint["seed"].nunique() > 1:
                for _, one in faint[np.isfinite(faint["relative_loss"])].groupby("seed"):
                    axis.plot(one["step_length"], one["relative_loss"], line, color=colour, lw=0.6, alpha=0.35)
            _published_marks(axis, PUBLISHED.get((normalisation, cast(int, mini_batch)), {}), colour)
        axis.axhline(1, color="0.6", lw=0.8, zorder=0)
        axis.set(xscale="log", yscale="log", xlabel="step length a", title=style.NAMES[normalisation])
    axes[0, 0].set_ylabel(r"relative loss $L(w - a\,g)\,/\,L(w)$")
    for axis in axes[0]:
        axis.legend(loc="upper left")
    return figure


def _shades(normalisation: str, count: int) -> list[tuple[float, float, float]]:
    return []


def _published_marks(axis: Axes, published: dict[str, float], colour: tuple[float, float, float]) -> None:
    pass
