import itertools

import pandas as pd
import pytest

from repro.experiments.diverging_update import show
from repro.experiments.diverging_update.measure import measure
from repro.experiments.diverging_update.settings import COLUMNS, Settings
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.experiments.tables import keyed, measured, show_and_judge

NAME = "diverging_update"
PAPER_LIKE = {
    8: ([-0.9, 1.4], [0.5, 1.0]),
    44: ([-3900.0, 2700.0], [1e6, 5.4e6]),
    80: ([-3e8, 1.9e8], [1e16, 5.5e16]),
}


def table(
    ends: dict[int, tuple[list[float], list[float]]],
    status: tuple[str, ...] = ("diverged",),
    normalisation: str = "none",
    recipe: str | None = None,
    after: float = 0.0,
) -> pd.DataFrame:
    """Layers with two channels; `ends` are their means and variances after an update from means ±1, variances 1."""
    parts = []
    for seed, found in enumerate(status):
        rows = []
        for position in (0.0, 0.5, 1.0):
            for layer, (means, variances) in ends.items():
                for channel, (mean, variance) in enumerate(zip(means, variances, strict=True)):
                    start = -((-1.0) ** channel)
                    moved = start + position * (mean - start), 1 + position * (variance - 1)
                    rows.append((found, 7, 0.1, position, layer, channel, *moved, 2 + position * 5e3))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed, recipe, after))
    return pd.concat(parts, ignore_index=True)


def several() -> pd.DataFrame:
    """Three recipes, two of them without BN, untrained and in the middle of training; one is less deep."""
    recipes = [("none", None, PAPER_LIKE), ("none", "none-depth56", {8: PAPER_LIKE[8]}), ("batch", None, PAPER_LIKE)]
    return pd.concat(
        [table(ends, ("diverged",) * 2, kind, name, after) for kind, name, ends in recipes for after in (0.0, 0.5)],
        ignore_index=True,
    )


def measured_at(data, rate: float, settings: Settings) -> pd.DataFrame:
    recipe = Recipe(depth=8, normalisation="none", batch_size=8, learning_rate=rate)
    return measured(measure, settings, [untrained(recipe, seed, data) for seed in range(2)])


def titles(measured: pd.DataFrame) -> list[str]:
    return [block.get_suptitle() for block in show.plot(measured).subfigs]


def test_summary_by_hand():
    summary = show.summarise(table(PAPER_LIKE, status=("not diverged", "diverged")))
    assert set(summary["seed shown"]) == {1}
    assert set(summary["diverged seeds"]) == {1}
    summary = summary.set_index(["layer", "quantity"])
    assert summary.loc[("all", "step"), "its value"] == 7
    assert summary.loc[("all", "loss after"), "its value"] == 5002
    for layer, numbers in {"8": (-1.0, 1.4, 1.0), "44": (-3900, 2700, 5.4e6), "80": (-3e8, 1.9e8, 5.5e16)}.items():
        for quantity, value in zip(("lowest mean", "highest mean", "highest variance"), numbers, strict=True):
            assert summary.loc[(layer, quantity), "its value"] == pytest.approx(value)
            assert summary.loc[(layer, quantity), "their median"] == pytest.approx(value)
    assert summary.loc[("8", "lowest mean"), "published (ResNet-110, CIFAR-10)"] == -0.9


def test_figure_shows_the_first_network_that_diverged_with_a_line_for_each_channel():
    measured = table(PAPER_LIKE, status=("not diverged", "diverged"))
    (title,) = titles(measured)
    assert title.startswith("without BN, learning rate 0.1, seed 1: update 7 takes the mini-batch loss from 2 to 5e+03")
    figure = show.plot(measured)
    means, variances = figure.axes[2], figure.axes[5]
    assert len(means.lines) == len(variances.lines) == 2
    assert {line.get_ydata()[-1] for line in means.lines} == {-3e8, 1.9e8}
    assert means.lines[0].get_xdata().tolist() == [0, 50, 100]


def test_whole_path_with_several_recipes_and_moments(tmp_path):
    summary, _ = show_and_judge(NAME, several(), tmp_path)
    cases = list(itertools.product(["none", "none-depth56", "batch"], [0.0, 0.5]))
    assert list(summary[["recipe", "after"]].drop_duplicates().itertuples(index=False, name=None)) == cases
    published = summary.dropna(subset="published (ResNet-110, CIFAR-10)")
    assert set(published["after"]) == {0.0}
    assert set(published["recipe"]) == {"none", "none-depth56"}
    shown = titles(several())
    assert len(shown) == 6
    assert shown[2].startswith("none-depth56, untrained, learning rate 0.1, seed 0: update 7")
    assert shown[5].startswith("with BN, after 50 %")


def test_nothing_diverges_is_an_outcome(noise, tmp_path):
    found = measured_at(noise, 1e-6, Settings(points=3, maximum_steps=2))
    _, verdicts = show_and_judge(NAME, found, tmp_path)
    assert set(verdicts["verdict"]) == {"undecided"}
    assert "no update diverged" in titles(found)[0]


def test_overflow_is_an_outcome(noise, tmp_path):
    found = measured_at(noise, 1e20, Settings(points=3, layers=[2, 6]))
    _, verdicts = show_and_judge(NAME, found, tmp_path)
    assert set(verdicts["verdict"]) == {"undecided"}
    texts = [text.get_text() for axis in show.plot(found).axes for text in axis.texts]
    assert "overflow at 2 of 3 positions" in texts
