"""Settings and columns of the study of how fast the learning rate decays."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "decay"
TABLE = "csv"
DROPS = [[0.5, 0.75], [0.0833, 0.125]]  # the paper's, and a sixth of it


class Settings(OutcomeSettings):
    """Settings of the study of a faster decay of the rate with and without BN (a claim of introductions to BN)."""

    factors = ("drops",)
    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "drops": DROPS},
            {"normalisation": "none", "learning_rate": 0.0001, "epochs": 2400, "drops": DROPS},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
