import itertools

import pandas as pd
import pytest

from repro.experiments import activations_in_training
from repro.training.results import MOMENT_COLUMNS as COLUMNS


def table() -> pd.DataFrame:
    """ln(std) is layer times epoch plus the seed; the condition without BN has diverged after its first look."""
    rows = []
    for condition, seed, epoch, layer in itertools.product(("batch-0.1", "none-1"), range(2), (0, 5, 10), range(1, 9)):
        normalisation, rate = condition.split("-")
        if normalisation == "none" and epoch > 0:
            continue
        status = "diverged" if normalisation == "none" else "finished"
        value = layer * epoch + seed
        rows.append([condition, normalisation, float(rate), 10, seed, status, epoch, layer, -value, value])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_summary_agrees_with_explicit_means():
    summary = activations_in_training.summarise(table())
    assert summary[["condition", "epochs done"]].to_numpy().tolist() == [
        ["batch-0.1", 0],
        ["batch-0.1", 5],
        ["batch-0.1", 10],
        ["none-1", 0],
    ]
    assert set(summary["seeds"]) == {2}
    # Layers 2 and 7, seeds 0 and 1: 2 * epoch + 0.5 and 7 * epoch + 0.5.
    assert summary["ln(std), layer 2"].tolist() == [0.5, 10.5, 20.5, 0.5]
    assert summary["ln(std), layer 7"].tolist() == [0.5, 35.5, 70.5, 0.5]
    assert summary["growth"].tolist() == [0, 25, 50, 0]


def test_figure_has_a_line_for_each_moment_and_look():
    figure = activations_in_training.plot(table())
    batch, none = figure.axes
    assert [len(batch.lines), len(none.lines)] == [6, 2]
    solid = [line for line in batch.lines if line.get_linestyle() == "-"]
    assert [text.get_text() for text in batch.get_legend().get_texts()] == ["after 0%", "after 50%", "after 100%"]
    assert solid[1].get_ydata()[3] == pytest.approx(4 * 5 + 0.5)
    assert "2 seeds" in none.get_title()
