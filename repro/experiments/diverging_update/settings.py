"""Settings and columns of Figure 4."""

from typing import Annotated, Any

from pydantic import Field

from repro.settings.experiment import FirstStepsSettings, number, text, whole
from repro.settings.types import Count, LayerNumber

ITEM = "fig4"
TABLE = "parquet"


class Settings(FirstStepsSettings):
    """Settings of Figure 4."""

    recipes: list[dict[str, Any]] = Field(
        [{"normalisation": "none", "learning_rate": 0.003}],
        min_length=1,
        description="Networks that are trained until an update diverges: what each has in place of the base recipe's "
        "settings, like a rate that is too large without normalisation.",
    )
    seeds: Count = Field(1, description="Networks of each recipe; the figure shows the first that diverged.")
    maximum_steps: Count = Field(1000, description="Give up, and report so, when nothing diverged until here.")
    points: Annotated[int, Field(ge=2)] = Field(21, description="Positions between 0 and 100 % of the update.")
    layers: list[LayerNumber] | None = Field(
        None, description="Layers; null: the paper's 8, 44 and 80, or their like at another depth."
    )


COLUMNS = {
    "status": text(
        "`diverged`, or `not diverged` when no update did within `maximum_steps`; the update is then the last"
    ),
    "step": whole("training step, from 1 where the network was taken up, that made the update"),
    "learning_rate": number("learning rate of the training then"),
    "position": number("place along the update from 0 (weights before) to 1 (weights after)"),
    "layer": whole("layer by the paper's numbers"),
    "channel": whole("output channel of the layer"),
    "mean": number(
        "mean of the raw output over batch and space, on the update's mini-batch; not finite: float32 overflow"
    ),
    "variance": number("variance (divided by n) of the same"),
    "loss": number("mean cross-entropy of the mini-batch at this position, nats"),
}
