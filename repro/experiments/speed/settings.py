"""Settings and columns of the study of training speed."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, HISTORY_COLUMNS, TrainingSettings

ITEM = "updates"
TABLE = "parquet"


class Settings(TrainingSettings):
    """Settings of the study of how many updates training takes (a claim of introductions to BN)."""

    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": "batch", "learning_rate": [0.01, 0.03, 0.1, 0.3]},
            {"normalisation": "none", "learning_rate": [0.0001, 0.0003, 0.001], "epochs": 2400},
        ],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = HISTORY_COLUMNS
