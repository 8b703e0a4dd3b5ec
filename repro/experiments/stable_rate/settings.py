"""Settings and columns of the largest stable learning rates."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from repro.settings.experiment import FirstStepsSettings, number, text, whole
from repro.settings.types import Count, PositiveNumber

ITEM = "largest_rate"
TABLE = "csv"
SURVIVED, DIVERGED, NOT_BELOW, NOT_TRIED = "survived", "diverged", "not below the first", "not tried"
DEPTHS = [8, 14, 20, 32, 44, 56, 110]
LEAST_LAST = 5  # mini-batches at the end whose mean loss counts, at least


class Settings(FirstStepsSettings):
    """Settings of the largest stable learning rates (Appendices E and H)."""

    recipes: list[dict[str, Any]] = Field(
        [
            {"normalisation": ["batch", "none"], "depth": DEPTHS},
            {"normalisation": "batch", "place": "final", "depth": DEPTHS},
        ],
        min_length=1,
        description="Networks that are compared, each at several depths: what each has in place of the base recipe's "
        "settings. Its learning rate does not matter here. A list in place of a value stands for one recipe with each "
        "of its values.",
    )
    seeds: Count = Field(5, description="Networks of each recipe, seeds 0, 1, ...")
    rates: list[PositiveNumber] = Field(
        [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
        min_length=2,
        description="Learning rates to try, ascending. Each network's end with the first that it does not survive: no "
        "larger one matters then.",
    )
    updates: Annotated[Count, Field(ge=LEAST_LAST)] = Field(
        100, description="Updates at each rate, each time from the network as it was."
    )

    @model_validator(mode="after")
    def _ascending(self) -> Settings:
        for smaller, larger in zip(self.rates, self.rates[1:], strict=False):
            if larger <= smaller:
                raise ValueError(f"rates must ascend, but {larger:g} follows {smaller:g}; put them in order")
        return self


COLUMNS = {
    "depth": whole("number of weighted layers of the network"),
    "rate": number("learning rate of all updates"),
    "status": text(
        f"`{SURVIVED}`; `{DIVERGED}`: a loss was not finite, or above both 1000 and ten times the first mini-batch's; "
        f"`{NOT_BELOW}`: no loss was, but `last_loss` is not below `first_loss`; `{NOT_TRIED}`: a smaller rate was not "
        "survived"
    ),
    "planned": whole("updates that the network was to make"),
    "updates": whole("updates made: `planned`, or as many as led to the loss that ended it"),
    "first_loss": number(
        "mean cross-entropy of the last tenth of the mini-batches, at least 5, before any update, nats; of the network "
        "in training mode"
    ),
    "last_loss": number(
        "the same of the same mini-batches as they were trained on; of a network that diverged the loss that ended it; "
        "missing where the rate was not tried"
    ),
}
