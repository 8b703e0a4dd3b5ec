"""How trainings ended, from their histories."""

import numpy as np
import pandas as pd
import pytest

from repro.settings.experiment import HISTORY_COLUMNS, outcome_columns
from repro.settings.recipe import Recipe, named
from repro.training.outcomes import outcomes

FACTORS = ("dropout", "activation", "drops")
RECIPES = named(Recipe(epochs=16), [{"dropout": 0.3}, {"normalisation": "none", "activation": "tanh"}], True, "there")
WITH, WITHOUT = RECIPES


def history(recipe: str, seed: int, epochs: int, status: str, accuracies: np.ndarray) -> pd.DataFrame:
    rows = []
    for epoch in range(1, epochs + 1):
        accuracy = accuracies[epoch - 1]
        run = (recipe, RECIPES[recipe].normalisation_label, 0.1, 16, seed, status, epoch, 20 * epoch, 0.1)
        rows.append((*run, float(epoch), accuracy, 2.0 * epoch, accuracy / 2, 1.0, 1.0))
    return pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rising = np.arange(1, 17) / 20
    parts = [
        history(WITH, 0, 16, "finished", rising),
        history(WITH, 1, 16, "finished", rising[::-1]),
        history(WITHOUT, 0, 5, "diverged", rising),
    ]
    return outcomes(pd.concat(parts).sample(frac=1, random_state=0), RECIPES, FACTORS).sort_values(["recipe", "seed"])


def test_a_row_for_each_network_with_the_recipes_fields(table: pd.DataFrame):
    assert set(table.columns) == set(outcome_columns(*FACTORS))
    assert table["recipe"].tolist() == [WITH, WITH, WITHOUT]
    assert table["dropout"].tolist() == [0.3, 0.3, 0.0]
    assert table["activation"].tolist() == ["relu", "relu", "tanh"]
    assert table["drops"].unique().tolist() == ["0.5, 0.75"]
    assert outcome_columns(*FACTORS)["dropout"].kind == "number"
    assert outcome_columns(*FACTORS)["drops"].kind == outcome_columns(*FACTORS)["activation"].kind == "text"


def test_values_are_those_of_the_last_epoch(table: pd.DataFrame):
    first = table.iloc[0]
    assert first[["updates", "train_loss", "test_loss"]].tolist() == [320, 16.0, 32.0]
    assert first[["train_accuracy", "test_accuracy"]].tolist() == [0.8, 0.4]


def test_the_rise_compares_the_last_two_eighths(table: pd.DataFrame):
    # Two epochs each: (0.75 + 0.8) / 2 - (0.65 + 0.7) / 2, and downwards.
    assert table["rise"].tolist()[:2] == pytest.approx([0.1, -0.1])


def test_a_diverged_network_has_no_accuracies(table: pd.DataFrame):
    lost = table.iloc[2]
    assert lost["status"] == "diverged"
    assert lost["updates"] == 100
    assert lost[["train_loss", "train_accuracy", "test_loss", "test_accuracy", "rise"]].isna().all()


def test_very_short_trainings_have_no_rise():
    assert np.isnan(outcomes(history(WITH, 0, 3, "finished", np.arange(3.0)), RECIPES, ())["rise"].item())
    assert outcomes(history(WITH, 0, 4, "finished", np.arange(4.0)), RECIPES, ())["rise"].item() == 1.0
