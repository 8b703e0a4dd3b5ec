"""Settings and columns of the comparison of precisions."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "precisions"
TABLE = "csv"


class Settings(OutcomeSettings):
    """Settings of the comparison of training's precisions (ours)."""

    factors = ("precision",)
    recipes: list[dict[str, Any]] = Field([{"precision": ["float32", "bfloat16"]}], min_length=1, description=COMPARED)


COLUMNS = outcome_columns(*Settings.factors)
