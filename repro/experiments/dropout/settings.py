"""Settings and columns of the study of dropout."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "dropout_need"
TABLE = "csv"


class Settings(OutcomeSettings):
    """Settings of the study of dropout with and without BN (a claim of introductions to BN)."""

    factors = ("dropout",)
    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "dropout": [0.0, 0.1, 0.2, 0.3, 0.5]},
            {"normalisation": "none", "learning_rate": 0.0001, "epochs": 2400, "dropout": [0.0, 0.1, 0.2, 0.3, 0.5]},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
