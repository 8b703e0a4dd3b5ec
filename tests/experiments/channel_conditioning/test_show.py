import itertools

import numpy as np
import pandas as pd
import pytest

from repro.experiments.channel_conditioning import show
from repro.experiments.channel_conditioning.settings import COLUMNS
from tests.experiments.tables import keyed

FLAT = [2.0] * 6


def conditions(with_: list[float], without: list[float], rank: float = 3.0, seeds: int = 3) -> pd.DataFrame:
    """Depth 50, 16 layers a stage; the condition number runs log-linearly between a stage's two ends."""
    parts = []
    for (normalisation, ends), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        rows = []
        for stage, place in itertools.product(range(3), range(16)):
            condition = 10 ** np.interp(place, [1.5, 13.5], ends[2 * stage : 2 * stage + 2])
            channels, effective = 16 * 2**stage, 9.0 if normalisation == "batch" else rank
            values = (condition, condition / 2, effective, effective, 0.3, 0.1)
            rows.append((2 + 16 * stage + place, channels, 0, *values))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def test_stage_ends_are_medians_of_four_convolutions():
    table = conditions(FLAT, [2, 3, 3, 4, 4, 5])
    ends = show.stage_ends(table).query("normalisation == 'none' and seed == 0")
    assert ends["layers"].tolist() == ["2-5", "14-17", "18-21", "30-33", "34-37", "46-49"]
    first = ends.iloc[0]["condition_second_moment"]
    layers = table.query("normalisation == 'none' and seed == 0 and layer in [2, 3, 4, 5]")
    assert first == pytest.approx(np.median(layers["condition_second_moment"]))


def test_summary_shows_medians_and_quartiles():
    table = conditions(FLAT, FLAT)
    table["mean_energy"] = table["seed"] / 10
    summary = show.summarise(table)
    assert summary.columns[:4].tolist() == ["recipe", "after", "stage", "layers"]
    assert set(summary["share of energy in the mean"]) == {"0.1 (0.05 to 0.15)"}
    assert summary["recipe"].tolist() == ["batch"] * 6 + ["none"] * 6


def several() -> pd.DataFrame:
    """Three recipes, one of them of half the depth, untrained and after half the training."""
    table = conditions(FLAT, [2, 3, 3, 4, 4, 5], seeds=2)
    shallow = table[(table["normalisation"] == "none") & (table["layer"] % 2 == 0)]
    shallow = shallow.assign(recipe="none-depth26", layer=1 + shallow["layer"] // 2)
    table = pd.concat([table, shallow], ignore_index=True)
    return pd.concat([table, table.assign(after=0.5)], ignore_index=True)


def test_three_recipes_at_two_moments():
    table = several()
    ends = show.stage_ends(table)
    assert ends.query("recipe == 'none-depth26'")["layers"].unique().tolist() == [
        "2-5",
        "6-9",
        "10-13",
        "14-17",
        "18-21",
        "22-25",
    ]
    assert len(show.summarise(table)) == 3 * 2 * 6
    figure = show.plot(table)
    assert len(figure.axes[0].lines) == 3 * 2 * 2  # stages begin at no common layer
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[0] == "with BN, untrained"
    assert "none-depth26, after 50 %" in labels
    assert "grey" not in legend.get_title().get_text()


@pytest.mark.parametrize("chosen", ["batch", "none"])
def test_a_single_recipe(chosen):
    table = conditions(FLAT, [2, 3, 3, 4, 4, 5]).query("normalisation == @chosen")
    assert len(show.summarise(table)) == 6
    figure = show.plot(table)
    assert len(figure.axes[0].lines) == 2 + 2  # with the two later stages
    assert "grey lines" in figure.legends[0].get_title().get_text()


def test_values_that_are_not_finite_leave_a_gap_and_are_counted():
    table = conditions(FLAT, [2, 3, 3, 4, 4, 5])
    table.loc[table["layer"] == 7, "condition_covariance"] = np.inf
    axis = show.plot(table).axes[0]
    assert [text.get_text() for text in axis.texts] == ["6 values not finite"]
