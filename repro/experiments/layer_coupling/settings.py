"""Settings and columns of the coupling of layers."""

from typing import Annotated

from pydantic import Field

from repro.settings.experiment import FirstStepsSettings, number, whole
from repro.settings.types import Count, LayerNumber, Shares

ITEM = "coupling"
TABLE = "parquet"


class Settings(FirstStepsSettings):
    """Settings of the coupling of layers (a claim of introductions to BN)."""

    seeds: Count = Field(5, description="Networks of each recipe, each with a mini-batch of its own.")
    after: Shares = Field(
        [0.0, 0.02, 0.1, 0.5, 1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are looked at; 0: untrained. Others than 0 "
        "are trained first, and must be among `training.keep`.",
    )
    layers: Annotated[list[LayerNumber] | None, Field(min_length=2)] = Field(
        None, description="Convolutions that are compared; null: all up to depth 20, else ten spread over the depth."
    )


COLUMNS = {
    "learning_rate": number("learning rate at that moment, of the step"),
    "moved": whole("layer j that makes a step of gradient descent, by the paper's numbers"),
    "layer": whole("layer i whose gradient is looked at"),
    "change": number(
        "|G_i' - G_i| / |G_i|, G_i: gradient of a mini-batch's mean loss with respect to the kernel of layer i, G_i': "
        "the same after layer j alone has moved by -rate G_j; missing or infinite where float32 overflows or G_i is 0"
    ),
}
