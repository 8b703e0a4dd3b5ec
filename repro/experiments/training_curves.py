"""Figure 1: accuracy over the training cycle, with and without batch normalisation, across learning rates.

`python -m repro train batch-0.1`, and so on for each condition, then `python -m repro measure training_curves`.
The paper's four curves take 31,425 epochs of a ResNet-110; `config/quick.yaml` trains a ResNet-8 for seconds.
What should come out: at the same small rate BN is no better than no BN; the gain comes with the larger rate, which
without BN diverges.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro import style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.training.results import HISTORY_COLUMNS, gather

COLUMNS = HISTORY_COLUMNS

# Read off the published plots, ResNet-110 on CIFAR-10, per cent:
# condition -> train and test accuracy at 48 %, test accuracy at 52 %, final test accuracy.
PUBLISHED = {
    "batch-0.1": (94.3, 87.3, 92.8, 93.2),
    "batch-0.003": (99.7, 88.8, 90.3, 90.5),
    "batch-0.0001": (99.1, 81.0, 81.4, 81.3),
    "none-0.0001": (96.9, 80.9, 82.0, 82.0),
}


def measure(configuration: Configuration) -> pd.DataFrame:
    """The histories of all conditions, one row per condition, seed and epoch, from the tables that training wrote.

    Raises `UserError` when a condition is not trained yet, or was trained under other settings.
    """
    return gather(configuration)


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and seed: how it ended, and its accuracies after the last epoch if it finished."""
    last = table.sort_values("epoch").groupby(["condition", "seed"], sort=False).tail(1)
    kept = last.copy()
    kept.loc[kept["status"] != "finished", ["train_accuracy", "test_accuracy"]] = np.nan
    return kept.sort_values(["normalisation", "initial_learning_rate", "seed"], ascending=[True, False, True])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per condition how many seeds finished and diverged, and final accuracies beside the published one."""
    rows = []
    for condition, ends in outcomes(table).groupby("condition", sort=False):
        rows.append(
            {
                "condition": condition,
                "epochs": ends["epochs"].iloc[0],
                "finished": (ends["status"] == "finished").sum(),
                "diverged": (ends["status"] == "diverged").sum(),
                "final train %, mean": 100 * ends["train_accuracy"].mean(),
                "final test %, mean": 100 * ends["test_accuracy"].mean(),
                "final test %, std": 100 * ends["test_accuracy"].std(),
                "final test %, published (ResNet-110, CIFAR-10)": PUBLISHED.get(str(condition), (np.nan,) * 4)[3],
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Train (left) and test accuracy (middle) over the cycle, mean and one std over seeds; final accuracy (right)."""
    figure, axes = style.panels(1, 3, width=9.6, height=3.2)
    order = outcomes(table)["condition"].drop_duplicates()
    colours = _colours(table)
    for axis, quantity in zip(axes[0], ("train", "test"), strict=False):
        for condition in order:
            chosen = table[(table["condition"] == condition) & (table["status"] == "finished")]
            if chosen.empty:
                continue
            percent = 100 * chosen["epoch"] / chosen["epochs"]
            band = (100 * chosen[f"{quantity}_accuracy"]).groupby(percent).agg(["mean", "std"])
            axis.plot(band.index, band["mean"], color=colours[condition], label=_label(condition, table))
            low, high = band["mean"] - band["std"], band["mean"] + band["std"]
            axis.fill_between(band.index, low, high, color=colours[condition], alpha=0.2, lw=0)
        axis.set(xlabel="% of training", ylabel=f"{quantity} accuracy, %", title=f"{quantity}", xlim=(0, 100))
    _final_accuracies(axes[0, 2], table)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(handles)))
    return figure


def _final_accuracies(axis: Axes, table: pd.DataFrame) -> None:
    """Final test accuracy against the learning rate; below, a cross and a number for seeds that diverged."""
    ends = outcomes(table)
    below = axis.get_xaxis_transform()
    for place, (normalisation, chosen) in enumerate(ends.groupby("normalisation")):
        colour = style.COLOURS[str(normalisation)]
        finals = (100 * chosen["test_accuracy"]).groupby(chosen["initial_learning_rate"]).agg(["mean", "std", "count"])
        finals = finals[finals["count"] > 0]
        name = style.NAMES[str(normalisation)]
        axis.errorbar(finals.index, finals["mean"], finals["std"], fmt="o-", ms=4, color=colour, capsize=3, label=name)
        lost = chosen[chosen["status"] == "diverged"].groupby("initial_learning_rate").size()
        for rate, count in lost.items():
            height = 0.04 + 0.06 * place
            axis.plot([rate], [height], "x", color=colour, transform=below)
            axis.annotate(
                str(count),
                (rate, height),
                (-5, 0),
                below,
                "offset points",
                fontsize=6.5,
                color=colour,
                ha="right",
                va="center",
            )
    if (ends["status"] == "diverged").any():
        low, high = axis.get_ylim()
        axis.set_ylim(low - 0.25 * (high - low), high)
        axis.plot([], [], "x", color="0.4", label="diverged, seeds")
    axis.set(xscale="log", xlabel="learning rate", ylabel="final test accuracy, %", title="final, error bars ±1 std")
    axis.legend(loc="best")


def _colours(table: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """One hue per normalisation, darker for larger learning rates."""
    colours = {}
    for normalisation, chosen in table.groupby("normalisation"):
        rates = sorted(chosen["initial_learning_rate"].unique(), reverse=True)
        shades = sns.light_palette(style.COLOURS[str(normalisation)], len(rates) + 2, reverse=True)
        for rate, shade in zip(rates, shades, strict=False):
            colours[f"{normalisation}-{rate:g}"] = shade
    return colours


def _label(condition: str, table: pd.DataFrame) -> str:
    chosen = table[table["condition"] == condition]
    finished = chosen.loc[chosen["status"] == "finished", "seed"].nunique()
    name = style.NAMES[chosen["normalisation"].iloc[0]]
    return f"{name}, {chosen['initial_learning_rate'].iloc[0]:g} ({finished} of {chosen['seed'].nunique()} seeds)"


def _finals(table: pd.DataFrame, normalisation: str) -> pd.Series:
    """Final test accuracies in per cent of the finished networks, indexed by learning rate, one entry per seed."""
    ends = outcomes(table)
    ends = ends[(ends["normalisation"] == normalisation) & (ends["status"] == "finished")]
    return (100 * ends["test_accuracy"]).set_axis(ends["initial_learning_rate"])


def _no_better_at_small_rate(table: pd.DataFrame) -> Verdict:
    with_, without = _finals(table, "batch"), _finals(table, "none")
    shared = sorted(set(with_.index) & set(without.index))
    if not shared:
        return verdict(None, "no learning rate at which networks with and without BN finished")
    rate = shared[0]
    a, b = with_.loc[[rate]], without.loc[[rate]]
    text = f"at {rate:g}: {a.mean():.1f} % with BN, {b.mean():.1f} % without, {len(a)} and {len(b)} seeds"
    if min(len(a), len(b)) < 2:
        return verdict(None, f"{text}: too few seeds")
    error = np.sqrt(a.var() / len(a) + b.var() / len(b))
    return verdict(bool(a.mean() - b.mean() <= 2 * error), f"{text}; standard error of the difference {error:.1f}")


def _gain_from_large_rate(table: pd.DataFrame) -> Verdict:
    finals = _finals(table, "batch")
    rates = sorted(set(finals.index))
    if len(rates) < 2:
        return verdict(None, "fewer than two learning rates finished with BN")
    # A mean of one seed, where others may have diverged, counts only if there is no other.
    best = max(rates[1:], key=lambda rate: (len(finals.loc[[rate]]) > 1, finals.loc[[rate]].mean()))
    small, large = finals.loc[[rates[0]]], finals.loc[[best]]
    text = f"with BN {small.mean():.1f} % at {rates[0]:g}, {large.mean():.1f} % at {best:g}"
    if min(len(small), len(large)) < 2:
        return verdict(None, f"{text}: too few seeds")
    error = np.sqrt(small.var() / len(small) + large.var() / len(large))
    return verdict(bool(large.mean() - small.mean() > 2 * error), f"{text}; standard error {error:.1f}")


def _large_rates_diverge(table: pd.DataFrame) -> Verdict:
    ends = outcomes(table)
    without = ends[ends["normalisation"] == "none"]
    with_ = _finals(table, "batch")
    if without.empty or with_.empty or without["initial_learning_rate"].max() > with_.index.max():
        return verdict(None, "no large rate was tried both with and without BN")
    rate = without["initial_learning_rate"].max()
    tried = without[without["initial_learning_rate"] == rate]
    lost = int((tried["status"] == "diverged").sum())
    if rate == without["initial_learning_rate"].min() and lost == 0:
        return verdict(None, f"without BN only {rate:g} was tried")
    text = f"without BN {lost} of {len(tried)} seeds diverged at {rate:g}; with BN the largest rate to finish is "
    largest = with_.index.max()
    return verdict(lost == len(tried), f"{text}{largest:g}, ending at {with_.loc[[largest]].mean():.1f} %")


CLAIMS = [
    Claim(
        "At the same small learning rate BN is no better than no BN "
        "(final test accuracy, by at most two standard errors).",
        "Section 3, Figure 1",
        _no_better_at_small_rate,
    ),
    Claim(
        "The gain in accuracy comes with the larger rate "
        "(with BN, the best of the larger rates beats the smallest by more than two standard errors).",
        "Section 3, Figure 1",
        _gain_from_large_rate,
    ),
    Claim(
        "Without BN larger rates diverge (every seed at the largest rate tried, where BN trains).",
        "Section 3, Figure 1",
        _large_rates_diverge,
    ),
]
