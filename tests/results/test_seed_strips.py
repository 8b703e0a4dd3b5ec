import pandas as pd
import pytest
from matplotlib.axes import Axes

from repro.results import style
from repro.results.cases import cases
from repro.results.seed_strips import strips


def strip(recipes: list[str]) -> Axes:
    """Four seeds of each recipe, with values 1, 3 and 2 times its number, the last one missing."""
    rows = [
        (recipe, "none", 0.0, seed, value * number)
        for number, recipe in enumerate(recipes, start=1)
        for seed, value in enumerate((1.0, 3.0, 2.0, float("nan")))
    ]
    table = pd.DataFrame(rows, columns=["recipe", "normalisation", "after", "seed", "value"])
    _, axes = style.panels(1, 1)
    strips(axes[0, 0], cases(table), table, "value")
    return axes[0, 0]


def test_a_strip_shows_every_seed_in_order_and_the_median():
    axis = strip(["none", "none-depth20"])
    for place, line in enumerate(axis.lines):
        across = line.get_xdata()
        assert list(across) == sorted(across)
        assert abs(across - place).max() < 0.5
        assert line.get_ydata()[:3] == pytest.approx([place + 1, 3 * (place + 1), 2 * (place + 1)])
        ((start, end),) = axis.collections[place].get_segments()
        assert start[1] == end[1] == 2 * (place + 1)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["none", "none-depth20"]


def test_labels_of_many_cases_are_slanted():
    axis = strip([f"none-depth{depth}" for depth in (8, 14, 20, 26)])
    assert {label.get_rotation() for label in axis.get_xticklabels()} == {40.0}
