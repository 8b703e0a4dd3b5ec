"""Settings and columns of Figure 3."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from repro.settings.experiment import FirstStepsSettings, number, whole
from repro.settings.types import Count, PositiveNumber

ITEM = "fig3"
TABLE = "csv"


class Settings(FirstStepsSettings):
    """Settings of Figure 3."""

    recipes: list[dict[str, Any]] = Field(
        [{"normalisation": "batch", "learning_rate": 0.1}, {"normalisation": "none", "learning_rate": 0.0001}],
        min_length=1,
        description="Networks that are compared: what each has in place of the base recipe's settings. They are "
        "trained at the rate that their recipe has at that moment.",
    )
    seeds: Count = Field(
        1, description="Networks of each recipe; the figure shows the median over them and each one faintly."
    )
    mini_batches: list[Count] = Field([1, 4, 7], min_length=1, description="Training steps that are examined.")
    step_minimum: PositiveNumber = Field(1.4e-5, description="Smallest step length.")
    step_maximum: PositiveNumber = Field(0.2, description="Largest step length.")
    points: Annotated[int, Field(ge=2)] = Field(40, description="Step lengths, equally spaced on a log scale.")

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        if self.step_minimum >= self.step_maximum:
            raise ValueError("step_minimum must be smaller than step_maximum")
        return self


COLUMNS = {
    "mini_batch": whole(
        "training step, from 1 where the network was taken up, before whose update the loss was examined"
    ),
    "step_length": number(
        "a in w - a g, with g the gradient of the mini-batch's loss, without weight decay, at the weights w"
    ),
    "loss_before": number("L(w), mean cross-entropy of the mini-batch, nats"),
    "relative_loss": number("L(w - a g) / L(w) on the same mini-batch; infinite or missing where float32 overflows"),
}
