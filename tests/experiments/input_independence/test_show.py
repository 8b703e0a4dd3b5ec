import itertools

import pandas as pd
import pytest
from matplotlib.figure import Figure

from repro.experiments.input_independence import show
from repro.experiments.input_independence.settings import COLUMNS, PAPER_LAYERS
from tests.experiments.tables import keyed

WITH, WITHOUT = [250.0, 110.0, 40.0], [2.0, 2.5, 3.0]


def sizes(with_: list[float], without: list[float], seeds: int = 3, depth: int = 110) -> pd.DataFrame:
    """A table whose ratios at the paper's layers are the given ones, times 0.9, 1 and 1.1 for the seeds."""
    parts = []
    for (normalisation, ratios), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        scaled = [ratio * (0.9 + 0.1 * seed) for ratio in ratios]
        rows = [(depth, layer, 1000, 1e-5 * one, 1e-5, one) for layer, one in zip(PAPER_LAYERS, scaled, strict=True)]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def texts(figure: Figure) -> list[list[str]]:
    """What each of a figure's tables says."""
    return [[text.get_text() for text in axis.texts] for axis in figure.axes]


def test_summary_has_medians_quartiles_and_recalled_values_for_the_papers_depth_alone():
    table = sizes(WITH, WITHOUT)
    summary = show.summarise(table).set_index(["recipe", "layer", "quantity"])
    row = summary.loc[("batch", 18, "a/b")]
    assert row[["median", "lower quartile", "upper quartile"]].tolist() == pytest.approx([250, 237.5, 262.5])
    assert row.iloc[-1] == 251.8
    assert "recalled" in summary.columns[-1]
    for elsewhere in (table.assign(depth=200), table.assign(after=1.0), table.assign(normalisation="batch-final")):
        assert show.summarise(elsewhere).iloc[:, -1].isna().all()


def test_typeset_table_says_that_published_values_are_recalled():
    (said,) = texts(show.plot(sizes(WITH, WITHOUT)))
    assert said.count("published (recalled)") == 3
    assert {"250.0", "251.8", "2.0", "1.7", "with BN", "without BN"} <= set(said)
    (elsewhere,) = texts(show.plot(sizes(WITH, WITHOUT, depth=200)))
    assert not any("published" in text for text in elsewhere)


def test_three_recipes_at_two_moments_of_two_depths():
    pair = sizes(WITH, WITHOUT, seeds=2)
    shallow = pair[pair["normalisation"] == "none"].assign(recipe="none-depth20", depth=20)
    shallow["layer"] = shallow["layer"].map({18: 4, 54: 10, 90: 16})
    three = pd.concat([pair, shallow], ignore_index=True)
    table = pd.concat([three, three.assign(after=0.5)], ignore_index=True)
    first, second, third = texts(show.plot(table))
    assert {"with BN, untrained", "none, untrained", "251.8"} <= set(first)
    assert {"none-depth20, untrained", "with BN, after 50 %", "4", "10", "16", "18", "54", "90"} <= set(second)
    assert {"none, after 50 %", "none-depth20, after 50 %"} <= set(third)
    assert not any("published" in text for text in second + third)
    assert len(show.summarise(table)) == 6 * 3 * 3


@pytest.mark.parametrize("chosen", ["batch", "none"])
def test_a_single_recipe(chosen):
    table = sizes(WITH, WITHOUT).query("normalisation == @chosen")
    (said,) = texts(show.plot(table))
    assert said.count("$a/b$") == 1
    assert show.summarise(table)["recipe"].unique().tolist() == [chosen]
