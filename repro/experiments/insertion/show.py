"""Batch normalisation put into trained networks: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.experiments.insertion.settings import AFTER, BEFORE, IDENTITY, ORIGINAL, STANDARDISED, VARIANTS
from repro.results import statistics, style
from repro.results.cases import Case, cases
from repro.results.colours import BLUE, ORANGE, SKY

LOOKS = {
    ORIGINAL: ("without BN", ORANGE),
    IDENTITY: ("BN, undone by gamma and beta", BLUE),
    STANDARDISED: ("BN, gamma 1 and beta 0", SKY),
}


def percent(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy in per cent of the rows of one case: a row per seed, a column per (variant, moment).

    Missing where fine-tuning diverged.
    """
    return 100 * table.pivot(index="seed", columns=["variant", "moment"], values="test_accuracy")


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Points of test accuracy by which fine-tuned networks with BN are ahead of that without, per seed and variant."""
    fine_tuned = percent(table).xs(AFTER, axis=1, level="moment")
    return fine_tuned[[IDENTITY, STANDARDISED]].sub(fine_tuned[ORIGINAL], axis=0)


def relative_changes(table: pd.DataFrame) -> pd.DataFrame:
    """Of networks into which BN was put: change of the logits over the logits, root mean squares and largest values."""
    found = table[(table["moment"] == BEFORE) & (table["variant"] != ORIGINAL)]
    return found.assign(
        evaluation=found["rms_change"] / found["rms_logit"],
        training=found["batch_rms_change"] / found["rms_logit"],
        largest=found["largest_change"] / found["largest_logit"],
    )


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per case and variant: accuracies before and after fine-tuning, the paired gain, and the change of the logits."""
    rows = []
    for case in cases(table):
        own = case.rows(table)
        accuracy, gained, changes = percent(own), gains(own), relative_changes(own)
        for variant in VARIANTS:
            chosen = own[own["variant"] == variant]
            inserted, fine_tuned = (chosen[chosen["moment"] == moment] for moment in (BEFORE, AFTER))
            gain = statistics.mean(gained[variant]) if variant != ORIGINAL else statistics.exact(0)
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "variant": variant,
                    "seeds": len(inserted),
                    "test %, mean": accuracy[variant, BEFORE].mean(),
                    "test % by mini-batch statistics": 100 * inserted["batch_accuracy"].mean(),
                    "test % fine-tuned": accuracy[variant, AFTER].mean(),
                    "gain, points": gain.value,
                    "from": gain.low,
                    "to": gain.high,
                    "diverged in fine-tuning": int((fine_tuned["status"] == "diverged").sum()),
                    "relative change of logits": changes.loc[changes["variant"] == variant, "evaluation"].median(),
                    "in training mode": changes.loc[changes["variant"] == variant, "training"].median(),
                    "largest, relative": changes.loc[changes["variant"] == variant, "largest"].max(),
                    "dead channels, median": inserted["dead_channels"].median(),
                }
            )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Accuracy before and after fine-tuning, a panel for each case; the paired gain; the change of the logits."""
    found = cases(table)
    layout = style.wrapped([*range(len(found)), "gain", "change"], 4)
    figure, axes = style.mosaic(layout, width=2.3 * len(layout[0]) + 0.6, height=3.1 * len(layout))
    several = {case.recipe for case in found}
    for number, case in enumerate(found):
        if number:
            axes[number].sharey(axes[0])
        _accuracies(axes[number], case.rows(table))
        axes[number].set_title(_called(case, table, len(several) < len(found)), fontsize=9)
    _gains(axes["gain"], found, table)
    _changes(axes["change"], table)
    handles = [Line2D([], [], color=colour, marker="o", ms=4, label=label) for label, colour in LOOKS.values()]
    updates, rate = table["updates"].max(), table["learning_rate"].iloc[0]
    title = (
        f"{table['seed'].nunique()} seeds, each faint, and their mean; fine-tuned for {updates} updates at {rate:g}; "
        "bars: 90 % intervals of paired means"
    )
    columns = 3 if len(layout[0]) > 2 else 1
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, title=title, title_fontsize=8)
    return figure


def _called(case: Case, table: pd.DataFrame, moments: bool) -> str:
    """A network by its kind where one recipe alone is of it, else by its recipe."""
    kinds = table.drop_duplicates("recipe").set_index("recipe")["shortcut"] == "none"
    alone = (kinds == kinds[case.recipe]).sum() == 1
    name = ("plain network" if kinds[case.recipe] else "residual network") if alone else case.recipe
    return f"{name}, after {100 * case.after:g} %" if moments else name


def _accuracies(axis: Axes, rows: pd.DataFrame) -> None:
    accuracy = percent(rows)
    for variant, (_, colour) in LOOKS.items():
        seeds = accuracy[variant][[BEFORE, AFTER]].T.to_numpy()
        axis.plot([0, 1], seeds, color=colour, lw=0.7, alpha=0.35)
        axis.plot([0, 1], np.array([np.mean(each) for each in seeds]), "o-", ms=4.5, color=colour, lw=1.8)
    lost = int(accuracy.isna().sum().sum())
    if lost:
        axis.text(0.02, 0.02, f"{lost} diverged", transform=axis.transAxes, fontsize=6.5)
    axis.set_xticks([0, 1], ["as put in", "fine-tuned"])
    axis.set(xlim=(-0.25, 1.25), ylabel="test accuracy, %")


def _gains(axis: Axes, found: list[Case], table: pd.DataFrame) -> None:
    for place, case in enumerate(found):
        gained = gains(case.rows(table))
        for variant, shift in ((IDENTITY, -0.15), (STANDARDISED, 0.15)):
            colour = LOOKS[variant][1]
            axis.plot(np.full(len(gained), place + shift), gained[variant], "o", ms=3, color=colour, alpha=0.4)
            estimate = statistics.mean(gained[variant])
            axis.plot(place + shift, estimate.value, "_", ms=12, mew=1.8, color=colour)
            if np.isfinite(estimate.low):
                axis.vlines(place + shift, estimate.low, estimate.high, color=colour, lw=1.5)
    axis.axhline(0, ls=":", color="0.3", lw=1)
    _places(axis, found, table)
    axis.set(ylabel="test accuracy, points")
    axis.set_title("with BN minus without,\nfine-tuned", fontsize=9)


def _changes(axis: Axes, table: pd.DataFrame) -> None:
    """By mode and variant, every network; what is not finite, or is zero, is counted."""
    changes = relative_changes(table)
    lost = 0
    for place, mode in enumerate(("evaluation", "training")):
        for variant, shift in ((IDENTITY, -0.15), (STANDARDISED, 0.15)):
            values = changes.loc[changes["variant"] == variant, mode].to_numpy()
            shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
            lost += int(np.isnan(shown).sum())
            scattered = place + shift + 0.08 * np.linspace(-1, 1, len(shown))
            axis.plot(scattered, shown, "o", ms=3.5, color=LOOKS[variant][1], alpha=0.6, mec="none")
    if lost:
        axis.text(0.02, 0.02, f"{lost} zero or not finite", transform=axis.transAxes, fontsize=6.5)
    axis.set_xticks([0, 1], ["evaluation\nmode", "mini-batch\nstatistics"])
    axis.set(xlim=(-0.5, 1.5), ylabel="rms change / rms logit")
    if lost < 2 * len(changes):
        axis.set_yscale("log")  # which takes a value to have ticks
    axis.set_title("change of the logits,\nas put in", fontsize=9)


def _places(axis: Axes, found: list[Case], table: pd.DataFrame) -> None:
    several = len({case.recipe for case in found}) < len(found)
    labels = [_called(case, table, several).replace(" network", "") for case in found]
    axis.set_xticks(range(len(found)), labels, rotation=0 if len(found) <= 2 else 40, ha="center")
    axis.set_xlim(-0.5, len(found) - 0.5)
