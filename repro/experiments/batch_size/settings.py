"""Settings and columns of the study of the mini-batch's size."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from repro.settings.experiment import COMPARED, OutcomeSettings, outcome_columns

ITEM = "batch_sizes"
TABLE = "csv"
REFERENCE = 128  # the size that both protocols share
SIZES = (4, 8, 32, REFERENCE, 512)
IMAGES = 50_000  # CIFAR-10's


def _recipes() -> Iterator[dict[str, Any]]:
    """Every size with every normalisation, under both protocols.

    128 epochs at the reference: at equal updates the epochs are then the size itself, never fewer than the four that
    it takes to drop the rate after a half and three quarters.
    """
    kinds = ((("batch", "batch_renormalisation", "group", "layer"), 0.1, 1), (("none",), 0.0001, 18))
    for normalisations, rate, longer in kinds:
        for size in SIZES:
            same_updates = {"epochs": size * longer, "learning_rate": rate}
            same_epochs = {"epochs": REFERENCE * longer, "learning_rate": rate * size / REFERENCE}
            for protocol in [same_updates] if size == REFERENCE else [same_updates, same_epochs]:
                for normalisation in normalisations:
                    recipe = {"normalisation": normalisation, "batch_size": size, **protocol}
                    if normalisation == "batch_renormalisation":
                        # A sixteenth of the updates: the limits are then wide open when the rate drops first.
                        recipe["renormalisation_start"] = protocol["epochs"] * (IMAGES // size) // 16
                    yield recipe


class Settings(OutcomeSettings):
    """Settings of the study of the mini-batch's size (a claim of introductions to BN)."""

    factors = ("batch_size", "learning_rate", "renormalisation_start")
    recipes: list[dict[str, Any]] = Field(list(_recipes()), min_length=1, description=COMPARED)


COLUMNS = outcome_columns(*Settings.factors)
