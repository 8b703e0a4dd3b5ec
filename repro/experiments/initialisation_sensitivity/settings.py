"""Settings and columns of the study of initialisations."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "initialisations"
TABLE = "csv"
CELLS = {
    "initialisation": ["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"],
    "gain": [0.1, 0.3, 1.0, 3.0, 10.0],
}


class Settings(OutcomeSettings):
    """Settings of the study of initialisations with and without BN (a claim of introductions to BN)."""

    factors = ("initialisation", "gain")
    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "epochs": 10, **CELLS},
            {"normalisation": "none", "learning_rate": 0.0001, "epochs": 10, **CELLS},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
