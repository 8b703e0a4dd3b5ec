"""Settings and columns of Figure 5 beyond initialisation."""

from typing import Any, ClassVar

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count, Shares

ITEM = "moments"
TABLE = "parquet"


class Settings(NetworkSettings):
    """Settings of Figure 5 beyond initialisation."""

    # The rate stands in the table, so it matters also of untrained networks.
    trains: ClassVar[bool] = True

    # Two of Figure 1's trainings: without normalisation the base recipe's rate would diverge.
    recipes: list[dict[str, Any]] = Field(
        [{}, {"normalisation": "none", "learning_rate": 0.0001, "epochs": 2400}],
        min_length=1,
        description="Networks that are compared: each a mapping of those fields of `recipe`, the base, in which it "
        "differs from it; `{}` is the base itself.",
    )
    seeds: Count = Field(5, description="Networks of each recipe, seeds 0, 1, ...")
    after: Shares = Field(
        [0.0, 0.1, 0.5, 1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are looked at; 0: untrained. Others than "
        "0 are trained first, and must be among `training.keep`.",
    )


COLUMNS = {
    "initial_learning_rate": number("learning rate at the first step of the training"),
    "layer": whole("layer by the paper's numbers; the last is the classifier"),
    "log_mean": number("mean over channels of ln|mean of the raw output over batch and space|"),
    "log_standard_deviation": number("mean over channels of ln(standard deviation of the same)"),
}
