"""Accuracy over the training cycle: figure, final accuracies beside the published ones, and the claims of Section 3."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.results import looks, style
from repro.results.cases import LINES
from repro.results.claims import Claim, Undecided, Verdict, verdict

# Read off the published plots, ResNet-110 on CIFAR-10, per cent: (normalisation, learning rate) -> train and test
# accuracy at 48 %, test accuracy at 52 %, final test accuracy.
PUBLISHED = {
    ("batch", 0.1): (94.3, 87.3, 92.8, 93.2),
    ("batch", 0.003): (99.7, 88.8, 90.3, 90.5),
    ("batch", 0.0001): (99.1, 81.0, 81.4, 81.3),
    ("none", 0.0001): (96.9, 80.9, 82.0, 82.0),
}


@dataclass(frozen=True)
class Curve:
    """How a recipe is called and drawn."""

    recipe: str
    normalisation: str
    rate: float
    label: str
    colour: str
    line: str  # matplotlib's style of its lines

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are about this recipe."""
        return table[table["recipe"] == self.recipe]


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """One row per recipe and seed: how it ended, and its accuracies after the last epoch if it finished.

    In the figure's order: one normalisation after another, each with its larger learning rates first.
    """
    last = table.sort_values("epoch").groupby(["recipe", "seed"], sort=False).tail(1)
    kept = last.copy()
    kept.loc[kept["status"] != "finished", ["train_accuracy", "test_accuracy"]] = np.nan
    order = ["normalisation", "initial_learning_rate", "recipe", "seed"]
    return kept.sort_values(order, ascending=[True, False, True, True])


def curves(table: pd.DataFrame) -> list[Curve]:
    """The recipes of a table: one hue per normalisation, darker for larger learning rates.

    A recipe is called by its normalisation and rate. Where several share these, each is called by its own name and
    has a line of its own.
    """
    recipes = outcomes(table).drop_duplicates("recipe")
    alike = recipes.groupby(["normalisation", "initial_learning_rate"])["recipe"]
    recipes = recipes.assign(place=alike.cumcount(), of=alike.transform("size"))
    result = []
    for kind, group in recipes.groupby("normalisation", sort=False):
        look = looks.normalisation(str(kind))
        shades = style.shades(look.colour, len(group))
        for shade, row in zip(shades, group.to_dict("records"), strict=False):
            rate = row["initial_learning_rate"]
            label = f"{look.name}, {rate:g}" if row["of"] == 1 else row["recipe"]
            result.append(Curve(row["recipe"], str(kind), rate, label, shade, LINES[row["place"] % len(LINES)]))
    return result


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per recipe how many seeds finished and diverged, and final accuracies beside the published one."""
    rows = []
    for curve in curves(table):
        ends = curve.rows(outcomes(table))
        published = PUBLISHED.get((curve.normalisation, curve.rate), (np.nan,) * 4)
        rows.append(
            {
                "recipe": curve.recipe,
                "epochs": ends["epochs"].iloc[0],
                "finished": (ends["status"] == "finished").sum(),
                "diverged": (ends["status"] == "diverged").sum(),
                "final train %, mean": 100 * ends["train_accuracy"].mean(),
                "final test %, mean": 100 * ends["test_accuracy"].mean(),
                "final test %, std": 100 * ends["test_accuracy"].std(),
                "final test %, published (ResNet-110, CIFAR-10)": published[3],
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Train (left) and test accuracy (middle) over the cycle, mean and one std over seeds; final accuracy (right)."""
    figure, axes = style.panels(1, 3, width=9.6, height=3.2)
    finished = table[table["status"] == "finished"]
    for axis, quantity in zip(axes[0], ("train", "test"), strict=False):
        for curve in curves(table):
            chosen = curve.rows(finished)
            if chosen.empty:
                continue
            percent = 100 * chosen["epoch"] / chosen["epochs"]
            band = (100 * chosen[f"{quantity}_accuracy"]).groupby(percent).agg(["mean", "std"])
            label = f"{curve.label} ({chosen['seed'].nunique()} of {curve.rows(table)['seed'].nunique()} seeds)"
            axis.plot(band.index, band["mean"], curve.line, color=curve.colour, label=label)
            low, high = band["mean"] - band["std"], band["mean"] + band["std"]
            axis.fill_between(band.index, low, high, color=curve.colour, alpha=0.2, lw=0)
        axis.set(xlabel="% of training", ylabel=f"{quantity} accuracy, %", title=f"{quantity}", xlim=(0, 100))
    _final_accuracies(axes[0, 2], table)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(handles)))
    return figure


def _final_accuracies(axis: Axes, table: pd.DataFrame) -> None:
    """Final test accuracy against the learning rate; below, if networks diverged, a strip that counts them."""
    ends = outcomes(table)
    lost = ends[ends["status"] == "diverged"]
    lowest = axis
    if not lost.empty:
        place = axis.get_subplotspec()
        assert place is not None
        axis.remove()
        grid = place.subgridspec(2, 1, height_ratios=(8, 1 + lost["normalisation"].nunique()))
        axis, lowest = grid.subplots(sharex=True, squeeze=False)[:, 0]
        _count_diverged(lowest, lost)
    finals = {curve: 100 * curve.rows(ends)["test_accuracy"].dropna() for curve in curves(table)}
    kinds = {kind: looks.normalisation(kind) for kind in ends["normalisation"].unique()}
    for kind, look in kinds.items():
        own = [curve for curve, final in finals.items() if curve.normalisation == kind and len(final)]
        rates = [curve.rate for curve in own]
        if len(set(rates)) == len(rates):  # else recipes differ in more than their rate, which no line can show
            axis.plot(rates, [finals[curve].mean() for curve in own], color=look.colour)
        for curve in own:
            mean, deviation = finals[curve].mean(), finals[curve].std()
            axis.errorbar(curve.rate, mean, deviation, fmt="o", ms=4, color=curve.colour, capsize=3)
    axis.set(xscale="log", ylabel="final test accuracy, %", title="final, error bars ±1 std")
    lowest.set_xlabel("learning rate")
    axis.legend(
        handles=[Line2D([], [], color=look.colour, marker="o", ms=4, label=look.name) for look in kinds.values()]
    )


def _count_diverged(strip: Axes, lost: pd.DataFrame) -> None:
    """A cross and a number for the networks that diverged at each learning rate, a row for each normalisation."""
    groups = lost.groupby("normalisation", sort=False)["initial_learning_rate"]
    for row, (kind, rates) in enumerate(groups):
        colour = looks.normalisation(str(kind)).colour
        for rate, count in rates.value_counts().items():
            strip.plot(rate, row, "x", color=colour)
            strip.annotate(
                str(count),
                (rate, row),
                (-5, 0),
                textcoords="offset points",
                fontsize=6.5,
                color=colour,
                ha="right",
                va="center",
            )
    strip.set(ylim=(groups.ngroups - 0.3, -0.7), yticks=[])
    strip.set_ylabel("diverged,\nseeds", rotation=0, ha="right", va="center", fontsize=7)
    strip.set_facecolor("0.95")


def _ends(table: pd.DataFrame, normalisation: str) -> pd.DataFrame:
    """The outcomes with one normalisation. Raises `Undecided` when several of its recipes have the same rate."""
    ends = outcomes(table)
    ends = ends[ends["normalisation"] == normalisation]
    if (ends.groupby("initial_learning_rate")["recipe"].nunique() > 1).any():
        raise Undecided("several recipes share a normalisation and a learning rate")
    return ends


def _finals(table: pd.DataFrame, normalisation: str) -> pd.Series:
    """Final test accuracies in per cent of the finished networks, indexed by learning rate, one entry per seed."""
    ends = _ends(table, normalisation)
    ends = ends[ends["status"] == "finished"]
    return (100 * ends["test_accuracy"]).set_axis(ends["initial_learning_rate"])


def _no_better_at_small_rate(table: pd.DataFrame) -> Verdict:
    with_, without = _finals(table, "batch"), _finals(table, "none")
    shared = sorted(set(with_.index) & set(without.index))
    if not shared:
        raise Undecided("no learning rate at which networks with and without BN finished")
    rate = shared[0]
    a, b = with_.loc[[rate]], without.loc[[rate]]
    text = f"at {rate:g}: {a.mean():.1f} % with BN, {b.mean():.1f} % without, {len(a)} and {len(b)} seeds"
    if min(len(a), len(b)) < 2:
        raise Undecided(f"{text}: too few seeds")
    error = np.sqrt(a.var() / len(a) + b.var() / len(b))
    return verdict(bool(a.mean() - b.mean() <= 2 * error), f"{text}; standard error of the difference {error:.1f}")


def _gain_from_large_rate(table: pd.DataFrame) -> Verdict:
    finals = _finals(table, "batch")
    rates = sorted(set(finals.index))
    if len(rates) < 2:
        raise Undecided("fewer than two learning rates finished with BN")
    # A mean of one seed, where others may have diverged, counts only if there is no other.
    best = max(rates[1:], key=lambda rate: (len(finals.loc[[rate]]) > 1, finals.loc[[rate]].mean()))
    small, large = finals.loc[[rates[0]]], finals.loc[[best]]
    text = f"with BN {small.mean():.1f} % at {rates[0]:g}, {large.mean():.1f} % at {best:g}"
    if min(len(small), len(large)) < 2:
        raise Undecided(f"{text}: too few seeds")
    error = np.sqrt(small.var() / len(small) + large.var() / len(large))
    return verdict(bool(large.mean() - small.mean() > 2 * error), f"{text}; standard error {error:.1f}")


def _large_rates_diverge(table: pd.DataFrame) -> Verdict:
    with_, without = _finals(table, "batch"), _ends(table, "none")
    if without.empty or with_.empty or without["initial_learning_rate"].max() > with_.index.max():
        raise Undecided("no large rate was tried both with and without BN")
    rate = without["initial_learning_rate"].max()
    tried = without[without["initial_learning_rate"] == rate]
    lost = int((tried["status"] == "diverged").sum())
    if rate == without["initial_learning_rate"].min() and lost == 0:
        raise Undecided(f"without BN only {rate:g} was tried")
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
