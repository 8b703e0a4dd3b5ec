import itertools

import pandas as pd
import pytest

from repro.experiments.activations_in_training import show
from repro.experiments.activations_in_training.settings import COLUMNS
from tests.experiments.tables import keyed

SHARES = (0.0, 0.5, 1.0)
RATES = {"batch": 0.1, "none-lr1": 1.0}


def table() -> pd.DataFrame:
    """ln(std) is 10 x share x layer + seed; the network without BN has diverged after its first look."""
    parts = []
    for recipe, seed, after in itertools.product(("batch", "none-lr1"), range(2), SHARES):
        if recipe == "none-lr1" and after > 0:
            continue
        values = [
            (RATES[recipe], layer, -(layer * 10 * after + seed), layer * 10 * after + seed) for layer in range(1, 9)
        ]
        frame = pd.DataFrame(values, columns=list(COLUMNS))
        parts.append(keyed(frame, recipe.split("-")[0], seed, recipe, after))
    return pd.concat(parts, ignore_index=True)


def test_summary_agrees_with_explicit_means():
    summary = show.summarise(table())
    assert summary[["recipe", "after"]].to_numpy().tolist() == [
        ["batch", 0.0],
        ["batch", 0.5],
        ["batch", 1.0],
        ["none-lr1", 0.0],
    ]
    assert set(summary["seeds"]) == {2}
    # Layers 2 and 7, seeds 0 and 1: 2 * 10 * share + 0.5 and 7 * 10 * share + 0.5.
    assert summary["ln(std), second layer"].tolist() == [0.5, 10.5, 20.5, 0.5]
    assert summary["ln(std), last convolution"].tolist() == [0.5, 35.5, 70.5, 0.5]
    assert summary["growth"].tolist() == [0, 25, 50, 0]


def test_recipes_of_another_depth_have_their_own_last_convolution():
    deeper = pd.DataFrame([(0.1, layer, 0.0, float(layer)) for layer in range(1, 15)], columns=list(COLUMNS))
    summary = show.summarise(pd.concat([table(), keyed(deeper, "none", recipe="none-depth14")]))
    assert summary["ln(std), last convolution"].iloc[-1] == 13
    assert summary["growth"].tolist() == [0, 25, 50, 0, 11]


def test_figure_has_a_line_for_each_moment_and_look():
    figure = show.plot(table())
    batch, none = figure.axes
    assert [len(batch.lines), len(none.lines)] == [6, 2]
    solid = [line for line in batch.lines if line.get_linestyle() == "-"]
    assert [text.get_text() for text in batch.get_legend().get_texts()] == ["untrained", "after 50 %", "trained"]
    assert solid[1].get_ydata()[3] == pytest.approx(4 * 5 + 0.5)
    assert "2 seeds" in none.get_title()
    assert [axis.get_title().split(" (")[0] for axis in figure.axes] == ["with BN, rate 0.1", "without BN, rate 1"]


def test_a_colour_means_the_same_share_in_every_panel():
    shown = table()
    late = shown[(shown["recipe"] == "batch") & (shown["after"] > 0)].assign(recipe="batch-lr1")
    batch, _, other = show.plot(pd.concat([shown, late])).axes
    assert [line.get_color() for line in other.lines] == [line.get_color() for line in batch.lines[2:]]


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (4, 4), (5, 6), (9, 9)])
def test_panels_wrap(count, panels):
    single = table().query("recipe == 'batch' and after == 0")
    several = [single.assign(recipe=f"batch-lr{number}") for number in range(count)]
    figure = show.plot(pd.concat(several))
    assert len(figure.axes) == panels
    assert sum(axis.get_visible() for axis in figure.axes) == count
    assert max(axis.get_subplotspec().get_gridspec().ncols for axis in figure.axes) <= 4
