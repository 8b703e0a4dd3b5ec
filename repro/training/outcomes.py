"""How trainings ended: one row per network, from their histories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from repro.settings.recipe import Recipe


def outcomes(history: pd.DataFrame, recipes: Mapping[str, Recipe], factors: Sequence[str]) -> pd.DataFrame:
    """The last epoch of each network of `history`, with a column for each of the recipe's fields in `factors`.

    The columns are `settings.experiment.outcome_columns(*factors)`; a list, like that of `drops`, becomes text.
    """
    rows = []
    for (name, seed), epochs in history.sort_values("epoch").groupby(["recipe", "seed"], sort=False):
        last = epochs.iloc[-1]
        ended = last["status"] == "finished"
        row = {"recipe": name, "normalisation": last["normalisation"], "seed": seed, "status": last["status"]}
        row |= {factor: _plain(getattr(recipes[name], factor)) for factor in factors}
        row |= {"epochs": last["epochs"], "updates": last["steps"]}
        for quantity in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            row[quantity] = last[quantity] if ended else np.nan
        row["rise"] = _rise(epochs["train_accuracy"].to_numpy()) if ended else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def _rise(accuracies: np.ndarray) -> float:
    """Mean of the last eighth of the epochs minus that of the eighth before."""
    if len(accuracies) < 4:
        return np.nan
    eighth = max(1, round(len(accuracies) / 8))
    return float(accuracies[-eighth:].mean() - accuracies[-2 * eighth : -eighth].mean())


def _plain(value: Any) -> Any:
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, list) else value
