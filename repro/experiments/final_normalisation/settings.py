"""Settings and columns of the study of one final normalisation."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "final"
TABLE = "csv"


class Settings(OutcomeSettings):
    """Settings of the study of one single normalisation, after the last block (Section 4, Appendix E)."""

    factors = ("learning_rate",)
    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "learning_rate": [0.01, 0.03, 0.1, 0.3]},
            {"normalisation": "batch", "place": "final", "learning_rate": [0.001, 0.003, 0.01, 0.03]},
            {"normalisation": "none", "learning_rate": [0.0001, 0.0003, 0.001], "epochs": 2400},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
