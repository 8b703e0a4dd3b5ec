"""Settings and columns of Figure 1."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import HISTORY_COLUMNS, TrainingSettings

ITEM = "fig1"
TABLE = "parquet"


class Settings(TrainingSettings):
    """Settings of Figure 1."""

    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "learning_rate": 0.1, "epochs": 165},
            {"normalisation": "batch", "learning_rate": 0.003, "epochs": 1320},
            {"normalisation": "batch", "learning_rate": 0.0001, "epochs": 2400},
            {"normalisation": "none", "learning_rate": 0.0001, "epochs": 2400},
        ],
        min_length=1,
        description="Trainings that are compared, by default the paper's four curves: what each has in place of the "
        "base recipe's settings.",
    )


COLUMNS = HISTORY_COLUMNS
