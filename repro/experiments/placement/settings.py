"""Settings and columns of the study of where batch normalisation stands."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "places"
TABLE = "csv"


class Settings(OutcomeSettings):
    """Settings of the study of BN before and after the activation (a claim of introductions to BN)."""

    factors = ("activation",)
    recipes: list[dict[str, Any]] = Field(
        [{"place": ["everywhere", "after_activation"], "activation": ["relu", "tanh", "sigmoid"]}],
        min_length=1,
        description=COMPARED,
    )


COLUMNS = outcome_columns(*Settings.factors)
