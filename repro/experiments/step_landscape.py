"""Figure 3: the loss along one gradient step, at the first mini-batches of training.

`python -m repro measure step_landscape --config config/quick.yaml`; on a CPU core a ResNet-110 takes 3 s per training
step and 1 s per step length. What should come out: with BN the loss falls for steps up to 0.025 and more; without, at
the first mini-batch, only for steps tens of times shorter, and it explodes soon after. At later mini-batches without BN
the networks measured here bear longer steps than the published one, and how much longer differs between seeds.
"""

import copy
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro import datasets, devices, style
from repro.claims import Claim, Verdict, verdict
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

    `curve` holds relative losses, not negative, infinite where they overflow, indexed by rising step lengths.
    Interpolated linearly in log-log between neighbours; next to an overflow, the overflowing step length itself; the
    first one if the whole curve lies at or above `level`.
    """
    beyond = curve.loc[curve.idxmin() :]
    reached = np.flatnonzero(beyond.to_numpy() >= level)
    if not len(reached):
        return float("nan")
    last = int(reached[0])
    if last == 0 or not np.isfinite(beyond.iloc[last]):
        return float(beyond.index[last])
    pair = beyond.iloc[last - 1 : last + 1].clip(lower=np.finfo(float).tiny)  # a loss of zero has no logarithm
    return float(np.exp(np.interp(np.log(level), np.log(pair), np.log(pair.index.to_numpy()))))


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
    """Relative loss against step length with BN (left) and without (right), a curve for each mini-batch.

    The curve is the median over seeds, with each seed faintly if there are several. A cross at the top marks a step
    length at which it overflows; losses far beyond the published panel's end are cut off.
    """
    figure, axes = style.panels(1, 2, height=3.3)
    medians = median_curves(table)
    mini_batches = sorted(table["mini_batch"].unique())
    colours = dict(zip(mini_batches, style.sequence(len(mini_batches) + 1), strict=False))
    for axis, normalisation in zip(axes[0], ("batch", "none"), strict=True):
        for number, mini_batch in enumerate(mini_batches):
            look: dict[str, Any] = {"color": colours[mini_batch], "ls": ("-", "--", "-.", ":")[number % 4]}
            chosen = medians[(medians["normalisation"] == normalisation) & (medians["mini_batch"] == mini_batch)]
            curve = chosen.set_index("step_length")["relative_loss"]
            finite = np.isfinite(curve)
            axis.plot(curve[finite], lw=1.8, label=f"mini-batch {mini_batch}", **look)
            height = np.full((~finite).sum(), 0.985 - 0.035 * number)
            axis.plot(
                curve.index[~finite], height, "x", color=look["color"], ms=3.5, transform=axis.get_xaxis_transform()
            )
            if table["seed"].nunique() > 1:
                _single_seeds(axis, table, normalisation, mini_batch, look)
            published = PUBLISHED.get((normalisation, mini_batch), {})
            for step, loss in _published_points(published):
                axis.plot(step, loss, "o", mfc="white", mec=look["color"], ms=5)
        _dress(axis, normalisation)
    axes[0, 0].set_ylabel(r"relative loss $L(w - a\,g)\,/\,L(w)$")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(Line2D([], [], ls="", marker="o", mfc="white", mec="0.3", ms=5))
    labels.append("published (read off)")
    if not np.isfinite(medians["relative_loss"]).all():
        handles.append(Line2D([], [], ls="", marker="x", color="0.3", ms=3.5))
        labels.append("overflow")
    seeds = table["seed"].nunique()
    title = f"median of {seeds} seeds" if seeds > 1 else None
    axes[0, 0].legend(handles, labels, title=title, title_fontsize=8, loc="best", handlelength=2.6)
    return figure


def _single_seeds(axis: Axes, table: pd.DataFrame, normalisation: str, mini_batch: int, look: dict[str, Any]) -> None:
    chosen = table[(table["normalisation"] == normalisation) & (table["mini_batch"] == mini_batch)]
    for _, one in chosen[np.isfinite(chosen["relative_loss"])].groupby("seed"):
        axis.plot(one["step_length"], one["relative_loss"], lw=0.6, alpha=0.5, **look)


def _published_points(published: dict[str, float]) -> list[tuple[float, float]]:
    """The places (step length, relative loss) on the published curve that are known."""
    points = [
        ("step at minimum", published.get("minimum", np.nan)),
        ("step back at 1", 1.0),
        ("step at 1e6", EXPLOSION),
    ]
    return [(published[feature], loss) for feature, loss in points if feature in published]


def _dress(axis: Axes, normalisation: str) -> None:
    axis.axhline(1, color="0.7", lw=0.8, zorder=0)
    axis.set(xscale="log", yscale="log", xlabel="step length $a$", title=style.NAMES[normalisation])
    low, high = axis.get_ylim()
    axis.set_ylim(low, min(high, 100 * EXPLOSION))
    if high / low < 30:  # too short for labels at powers of ten only
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())


STILL_FALLS = 0.025  # the shortest of the steps with BN at which the published curves have their minimum
SOON = 0.01  # a step length above all at which the published curves without BN reach 1e6


def _falls_far(table: pd.DataFrame) -> Verdict:
    curves = median_curves(table)
    steps = curves["step_length"]
    if not steps.min() <= STILL_FALLS <= steps.max():
        return verdict(None, f"a step of {STILL_FALLS:g} is not among those examined")
    losses = {}
    for mini_batch, chosen in curves[curves["normalisation"] == "batch"].groupby("mini_batch"):
        known = chosen[np.isfinite(chosen["relative_loss"])]
        if not known["step_length"].max() >= STILL_FALLS:  # also when there is none
            losses[mini_batch] = np.inf
        else:
            losses[mini_batch] = np.interp(np.log(STILL_FALLS), np.log(known["step_length"]), known["relative_loss"])
    text = ", ".join(f"{loss:.2f} at mini-batch {mini_batch}" for mini_batch, loss in losses.items())
    return verdict(all(loss < 1 for loss in losses.values()), f"relative loss {text}; {_seeds(table)}")


def _explodes_without(table: pd.DataFrame) -> Verdict:
    found = features(median_curves(table)).set_index(["normalisation", "mini_batch"])["step at 1e6"]
    without, with_ = found.loc["none"], found.loc["batch"]
    if table["step_length"].max() < SOON:
        return verdict(None, f"no step as long as {SOON:g} was examined")
    text = ", ".join(f"{_step(step)} at mini-batch {mini_batch}" for mini_batch, step in without.items())
    text = f"reached without BN at step {text}; with BN at {int(with_.notna().sum())} of {len(with_)} mini-batches"
    return verdict(bool((without < SOON).all() and with_.isna().all()), f"{text}; {_seeds(table)}")


def _reaches_further(table: pd.DataFrame) -> Verdict:
    found = features(median_curves(table)).set_index(["normalisation", "mini_batch"])["step back at 1"]
    with_, without = found.loc["batch"], found.loc["none"]
    # What is not back at 1 within the range counts as its end with BN, and as no limit without: the cautious side.
    ratios = with_.fillna(table["step_length"].max()) / without.fillna(np.inf)
    text = ", ".join(f"{_step(with_[key])} and {_step(without[key])} at mini-batch {key}" for key in ratios.index)
    return verdict(bool((ratios >= 10).all()), f"with and without BN: {text}; {_seeds(table)}")


def _step(length: float) -> str:
    return "beyond the range" if np.isnan(length) else f"{length:.2g}"


def _seeds(table: pd.DataFrame) -> str:
    count = table["seed"].nunique()
    return f"median of {count} seeds" if count > 1 else "one seed"


CLAIMS = [
    Claim(
        f"With BN a gradient step as long as {STILL_FALLS:g} still lowers the loss (at every mini-batch examined).",
        "Section 3.1, Figure 3",
        _falls_far,
    ),
    Claim(
        f"Without BN the loss explodes at small steps (a step below {SOON:g} multiplies it by 1e6, at every mini-batch "
        "examined); with BN no step does.",
        "Section 3.1, Figure 3",
        _explodes_without,
    ),
    Claim(
        "Steps that lower the loss reach further with BN than without (ten times, at every mini-batch examined).",
        "Section 3.1, Figure 3",
        _reaches_further,
    ),
]
