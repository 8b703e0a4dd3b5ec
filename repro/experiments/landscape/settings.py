"""Settings and columns of the landscape's smoothness."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from repro.settings.experiment import FirstStepsSettings, number, text
from repro.settings.types import Count, PositiveNumber, Shares

ITEM = "smoothness"
TABLE = "csv"
OWN, COMMON = "own rate", "common rate"


class Settings(FirstStepsSettings):
    """Settings of the landscape's smoothness (Santurkar et al. 2018, Section 3, Figure 4)."""

    seeds: Count = Field(5, description="Networks of each recipe, each with a mini-batch of its own.")
    after: Shares = Field(
        [0.0, 0.02, 0.1, 0.5, 1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are looked at; 0: untrained. Others than "
        "0 are trained first, and must be among `training.keep`.",
    )
    rate: PositiveNumber | None = Field(
        None,
        description="Initial learning rate whose steps all networks are also looked at over, dropped as their recipes "
        "drop their own; the claims are then about these common steps. null: steps of the recipes' own rates alone, "
        "which say whether BN smooths only where those are equal.",
    )
    smallest: PositiveNumber = Field(
        0.5, description="Shortest step, times the rate at that moment; Santurkar et al. have 1/2."
    )
    largest: PositiveNumber = Field(
        4.0, description="Longest step, times the rate at that moment; Santurkar et al. have 4."
    )
    points: Annotated[int, Field(ge=2)] = Field(8, description="Steps from one to the other, evenly on a log scale.")

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        if self.smallest >= self.largest:
            raise ValueError("smallest must be smaller than largest")
        return self


COLUMNS = {
    "steps": text("which steps: multiples of the `own rate` of the recipe at that moment, or of a `common rate`"),
    "rate": number("that rate"),
    "step_length": number("a in w - a g, g: gradient of a mini-batch's loss, without weight decay, at the weights w"),
    "loss_before": number("L(w), mean cross-entropy of the mini-batch, nats"),
    "loss": number("L(w - a g) on the same mini-batch, nats; infinite or missing where float32 overflows"),
    "gradient_norm": number("|g|"),
    "gradient_change": number("|g - g'|, g': gradient of the same loss at w - a g"),
}
