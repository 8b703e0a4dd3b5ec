import itertools

import numpy as np
import pandas as pd
import pytest

from repro.experiments.training_curves import show
from repro.experiments.training_curves.settings import COLUMNS
from tests.experiments.tables import show_and_judge

NAME = "training_curves"
RECIPES = {"batch-0.1": 0.9, "batch-0.0001": 0.7, "none-0.0001": 0.7, "none-0.1": None}


def history(
    recipe: str, final: float | None, seeds: int = 3, epochs: int = 4, normalisation: str | None = None
) -> pd.DataFrame:
    """Accuracies that end at `final` plus a hundredth per seed; None: diverged in the second epoch.

    A recipe is called by its normalisation, its rate and what else there may be.
    """
    kind, rate, *_ = recipe.split("-")
    rows = []
    for seed, epoch in itertools.product(range(seeds), range(1, epochs + 1)):
        if final is None and epoch > 2:
            continue
        accuracy = (final if final is not None else 0.1) * epoch / epochs + 0.01 * seed
        status = "diverged" if final is None else "finished"
        numbers = [float(rate), 1.0, accuracy, 1.0, accuracy, 1.0, 1.0]
        rows.append([recipe, normalisation or kind, float(rate), epochs, seed, status, epoch, 10 * epoch, *numbers])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def table(**finals: float | None) -> pd.DataFrame:
    return pd.concat([history(name, final) for name, final in (RECIPES | finals).items()], ignore_index=True)


def test_outcomes_keep_diverged_networks_out_of_accuracies():
    ends = show.outcomes(table())
    assert len(ends) == 12
    lost = ends[ends["recipe"] == "none-0.1"]
    assert set(lost["status"]) == {"diverged"}
    assert lost["test_accuracy"].isna().all()


def test_summary_agrees_with_explicit_means():
    summary = show.summarise(table()).set_index("recipe")
    finals = [100 * (0.9 + 0.01 * seed) for seed in range(3)]
    assert summary.loc["batch-0.1", "final test %, mean"] == pytest.approx(np.mean(finals))
    assert summary.loc["batch-0.1", "final test %, std"] == pytest.approx(np.std(finals, ddof=1))
    assert summary.loc["batch-0.1", "train - test %, mean"] == pytest.approx(0)
    assert summary.loc["none-0.1", ["finished", "diverged"]].tolist() == [0, 3]
    assert np.isnan(summary.loc["none-0.1", "final test %, mean"])


def test_figure_shows_every_finished_recipe_and_counts_divergence_in_a_strip_of_its_own():
    figure = show.plot(table())
    train, test, final, strip = figure.axes
    assert len(train.lines) == len(test.lines) == 3
    line = next(line for line in test.lines if str(line.get_label()).startswith("with BN, 0.1"))
    assert line.get_xdata()[-1] == 100
    assert line.get_ydata()[-1] == pytest.approx(91)
    assert [text.get_text() for text in strip.texts] == ["3"]
    assert strip.get_ylabel() == "diverged,\nseeds"
    crosses = [axis for axis in figure.axes for line in axis.lines if line.get_marker() == "x"]
    assert crosses == [strip]
    figure.draw_without_rendering()
    assert strip.get_position().y1 <= final.get_position().y0


def test_without_divergence_there_is_no_strip():
    figure = show.plot(table(**{"none-0.1": 0.5}))
    assert len(figure.axes) == 3
    assert figure.axes[2].get_xlabel() == "learning rate"


def test_all_diverged_still_draws():
    figure = show.plot(history("none-0.1", None))
    assert "3" in [text.get_text() for text in figure.axes[-1].texts]


def test_recipes_of_one_normalisation_and_rate_are_called_by_their_names_and_told_apart():
    same = table(**{"batch-0.1-batch16": 0.8, "batch-0.1-batch512": 0.6})
    found = {curve.recipe: curve for curve in show.curves(same)}
    assert found["batch-0.1-batch16"].label == "batch-0.1-batch16"
    assert found["batch-0.0001"].label == "with BN, 0.0001"
    alike = [curve for name, curve in found.items() if name.startswith("batch-0.1")]
    assert len({curve.line for curve in alike}) == len({curve.colour for curve in alike}) == 3
    points = [line for line in show.plot(same).axes[2].lines if line.get_marker() == "o"]
    heights = [line.get_ydata()[0] for line in points if list(line.get_xdata()) == [0.1]]
    assert sorted(heights) == pytest.approx([61, 81, 91])


@pytest.mark.parametrize("finals", [{}, {"batch-0.1-batch16": 0.8}, {"none-0.1": 0.5}])
def test_whole_path(tmp_path, finals):
    summary, _ = show_and_judge(NAME, table(**finals), tmp_path)
    assert len(summary) == len(RECIPES | finals)


def test_whole_path_with_a_normalisation_of_its_own_and_with_a_single_recipe(tmp_path):
    final = history("batch-0.03", 0.9, normalisation="batch-final")
    summary, _ = show_and_judge(NAME, pd.concat([table(), final], ignore_index=True), tmp_path)
    assert summary["recipe"].tolist() == ["batch-0.1", "batch-0.0001", "batch-0.03", "none-0.1", "none-0.0001"]
    labels = [str(line.get_label()) for line in show.plot(final).axes[0].lines]
    assert labels == ["one final BN, 0.03 (3 of 3 seeds)"]
    show_and_judge(NAME, final, tmp_path)
