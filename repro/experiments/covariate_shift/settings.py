"""Settings and columns of internal covariate shift."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from repro.settings.experiment import FirstStepsSettings, number, whole
from repro.settings.types import BatchSize, Count, Shares

ITEM = "shift"
TABLE = "parquet"


class Settings(FirstStepsSettings):
    """Settings of internal covariate shift (Ioffe and Szegedy 2015; Santurkar et al. 2018, Definition 2.1)."""

    seeds: Count = Field(5, description="Networks of each recipe, each with images of its own.")
    after: Shares = Field(
        [0.0, 0.02, 0.1, 0.5, 1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are looked at; 0: untrained. Inputs drift "
        "from each to the next. Others than 0 are trained first, and must be among `training.keep`.",
    )
    images: BatchSize = Field(
        512,
        description="Training images that the moments of layers' inputs are taken over, the same at all moments, as "
        "one mini-batch. Gradients are those of a mini-batch of the recipe's size.",
    )
    layers: list[Annotated[int, Field(ge=2)]] | None = Field(
        None,
        min_length=1,
        description="Convolutions, from 2 on, as nothing is before layer 1; null: all and the classifier up to depth "
        "20, else about ten from the first to the classifier.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        for layer in self.layers or []:
            if (self.layers or []).count(layer) > 1:
                raise ValueError(f"layers: {layer} is listed more than once; keep one")
        return self


COLUMNS = {
    "learning_rate": number("learning rate at that moment, of the step behind `gradient_change`"),
    "layer": whole("layer i by the paper's numbers; the last is the classifier"),
    "channel": whole("channel of the layer's input"),
    "mean": number("mean of the layer's raw input over images and space"),
    "standard_deviation": number("standard deviation (divided by n) of the same; exactly 0 in a channel that is dead"),
    "gradient_norm": number("|G|, G: gradient of a mini-batch's mean loss with respect to the layer's weights W_i"),
    "gradient_change": number(
        "|G - G'|, G': the same after a step -rate x gradient of all parameters that come before the layer, without "
        "momentum and weight decay; equal for all channels of a layer"
    ),
    "cosine_gap": number("1 - cosine of the angle between G and G', 0 to 2"),
}
