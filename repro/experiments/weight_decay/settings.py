"""Settings and columns of the study of the L2 penalty."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "penalty"
TABLE = "csv"
PENALTIES = [0.0, 1e-5, 1e-4, 5e-4, 5e-3]


class Settings(OutcomeSettings):
    """Settings of the study of the L2 penalty with and without BN (a claim of introductions to BN)."""

    factors = ("weight_decay",)
    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "weight_decay": PENALTIES},
            {"normalisation": "none", "learning_rate": 0.0001, "epochs": 2400, "weight_decay": PENALTIES},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
