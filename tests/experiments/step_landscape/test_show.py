import itertools

import numpy as np
import pandas as pd
import pytest

from repro.experiments.step_landscape import show
from repro.experiments.step_landscape.settings import COLUMNS
from tests.experiments.tables import keyed, show_and_judge

NAME = "step_landscape"
STEPS = (1e-4, 1e-3, 1e-2, 0.1)
FLAT, STEEP = [1.0, 0.9, 0.7, 0.8], [0.5, 100.0, 1e8, np.nan]


def curves(
    losses: list[float],
    normalisation: str,
    recipe: str | None = None,
    after: float = 0.0,
    steps: tuple[float, ...] = STEPS,
) -> pd.DataFrame:
    """Three seeds, mini-batches 1 and 4, all with these relative losses."""
    rows = [(mini_batch, step, 2.0, loss) for mini_batch in (1, 4) for step, loss in zip(steps, losses, strict=True)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return pd.concat([keyed(frame, normalisation, seed, recipe, after) for seed in range(3)], ignore_index=True)


def table(with_: list[float], without: list[float], steps: tuple[float, ...] = STEPS) -> pd.DataFrame:
    return pd.concat([curves(with_, "batch", steps=steps), curves(without, "none", steps=steps)], ignore_index=True)


def several() -> pd.DataFrame:
    """Three recipes, two of them with BN, untrained and in the middle of training."""
    recipes = [("batch", None, FLAT), ("batch", "batch-batch16", FLAT), ("none", None, STEEP)]
    return pd.concat(
        [curves(losses, kind, name, after) for (kind, name, losses) in recipes for after in (0.0, 0.5)],
        ignore_index=True,
    )


def test_features_by_hand():
    found = show.features(show.median_curves(table(FLAT, STEEP))).set_index(["normalisation", "mini_batch"])
    assert found.loc[("batch", 1), ["step at minimum", "minimum"]].tolist() == [1e-2, 0.7]
    assert found.loc[("batch", 1), ["step back at 1", "step at 1e6"]].isna().all()
    assert found.loc[("none", 4), ["step at minimum", "minimum"]].tolist() == [1e-4, 0.5]
    # In log-log the curve is straight between neighbours: 0.5 -> 100 is 2.30 decades, of which 0.30 up to 1.
    share = np.log10(1 / 0.5) / np.log10(100 / 0.5)
    assert found.loc[("none", 4), "step back at 1"] == pytest.approx(10 ** (-4 + share))
    assert found.loc[("none", 4), "step at 1e6"] == pytest.approx(10 ** (-3 + 4 / 6))


def test_crossing_at_the_edges():
    def at(losses: list[float]) -> float:
        return show.crossing(pd.Series(losses, index=[1.0, 2.0, 4.0]), 10.0)

    assert np.isnan(at([1, 2, 3]))
    assert at([20, 30, 40]) == 1
    assert at([1, np.inf, np.inf]) == 2
    assert at([np.inf] * 3) == 1
    assert at([100, 1, 10]) == pytest.approx(4)
    assert 2 < at([1, 0, 20]) <= 4


def test_median_counts_overflow_as_infinite():
    one = table(FLAT, STEEP)
    one.loc[(one["seed"] > 0) & (one["step_length"] == 0.1), "relative_loss"] = np.nan
    medians = show.median_curves(one).query("normalisation == 'batch' and mini_batch == 1")
    assert medians["relative_loss"].tolist() == [1.0, 0.9, 0.7, np.inf]


def test_a_loss_that_never_falls_has_no_minimum():
    found = show.features(show.median_curves(table([2.0, 3, 4, 5], [np.nan] * 4)))
    assert found["minimum"].isna().all()
    assert (found["step back at 1"] == 1e-4).all()
    assert found.query("normalisation == 'none'")["step at 1e6"].tolist() == [1e-4] * 2


@pytest.mark.parametrize(("with_", "without"), [(FLAT, [np.nan] * 4), ([np.nan] * 4, [np.inf] * 4)])
def test_whole_path_with_overflows(tmp_path, with_, without):
    summary, _ = show_and_judge(NAME, table(with_, without), tmp_path)
    assert len(summary) == 2 * 2 * len(show.FEATURES)


def test_whole_path_with_several_recipes_and_moments(tmp_path):
    summary, _ = show_and_judge(NAME, several(), tmp_path)
    cases = list(itertools.product(["batch", "batch-batch16", "none"], [0.0, 0.5]))
    assert list(summary[["recipe", "after"]].drop_duplicates().itertuples(index=False, name=None)) == cases
    assert len(summary) == len(cases) * 2 * len(show.FEATURES)
    later = summary[summary["after"] > 0]
    assert later["published (ResNet-110, CIFAR-10)"].isna().all()
    titles = [axis.get_title() for axis in show.plot(several()).axes]
    assert titles[:3] == ["batch, untrained", "batch, after 50 %", "batch-batch16, untrained"]
    assert titles[4:] == ["without BN, untrained", "without BN, after 50 %"]


def test_whole_path_with_one_recipe(tmp_path):
    _, verdicts = show_and_judge(NAME, curves(STEEP, "none"), tmp_path)
    assert set(verdicts["because"]) == {"it takes one untrained recipe with BN and one without"}
    assert len(show.plot(curves(STEEP, "none")).axes) == 1


def test_figure_has_networks_with_BN_left_and_leaves_overflows_out_of_the_line_and_marks_them():
    figure = show.plot(table(FLAT, STEEP))
    assert [axis.get_title() for axis in figure.axes] == ["with BN", "without BN"]
    thick = [line for line in figure.axes[1].lines if line.get_linewidth() == 1.8]
    assert [line.get_xdata().tolist() for line in thick] == [[1e-4, 1e-3, 1e-2]] * 2
    crosses = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[0.1], [0.1]]


def test_published_values_are_those_of_the_paper_and_stay_apart():
    summary = show.summarise(table(FLAT, STEEP))
    chosen = summary.query("recipe == 'none' and mini_batch == 1").set_index("quantity")
    published = chosen["published (ResNet-110, CIFAR-10)"]
    assert published.tolist() == [2.4e-4, 0.1, 7e-4, 2.7e-3]
    assert chosen.loc["minimum", "measured"] == 0.5
