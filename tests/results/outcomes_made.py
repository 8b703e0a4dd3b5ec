"""Made-up tables of outcomes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from repro.settings.experiment import outcome_columns


def network(
    normalisation: str, seed: int, test: float, train: float = 0.9, rise: float = 0.0, **factors: Any
) -> dict[str, Any]:
    """A row of a table; NaN as `test`: the network diverged."""
    ended = test == test
    told = "-".join(f"{name}{value}" for name, value in factors.items())
    return {
        "recipe": f"{normalisation}-{told}",
        "normalisation": normalisation,
        "seed": seed,
        "status": "finished" if ended else "diverged",
        **factors,
        "epochs": 40,
        "updates": 800,
        "train_loss": 0.5 if ended else test,
        "train_accuracy": train if ended else test,
        "test_loss": 1.0 if ended else test,
        "test_accuracy": test,
        "rise": rise if ended else test,
    }


def table(factor: str, accuracies: Mapping[tuple[str, Any], float], seeds: int = 3, **more: Any) -> pd.DataFrame:
    """Networks whose test accuracy is the value for (normalisation, factor) plus a hundredth per seed."""
    rows = [
        network(normalisation, seed, test + 0.01 * seed, **{factor: value}, **more)
        for (normalisation, value), test in accuracies.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)[list(outcome_columns(factor))]
