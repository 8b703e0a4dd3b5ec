"""Settings and columns of the noise of mini-batch gradients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from repro.settings.experiment import NetworkSettings, number, text, whole
from repro.settings.types import BatchSize, Count

ITEM = "noise"
TABLE = "csv"
WITHOUT, WITH = "without replacement", "with replacement"


class Settings(NetworkSettings):
    """Settings of the noise of mini-batch gradients (Section 3.1, Appendix D)."""

    seeds: Count = Field(5, description="Networks of each recipe, each with a set of images of its own.")
    images: BatchSize = Field(
        1024,
        description="Size N of the set of training images that mini-batches are drawn from. It passes the network as "
        "one mini-batch too, which takes 8 MiB per image at depth 110.",
    )
    batch_sizes: list[BatchSize] = Field(
        [4, 8, 16, 32, 64, 128, 256, 512],
        min_length=1,
        description="Sizes b of the mini-batches, below `images`.",
    )
    draws: Annotated[int, Field(ge=2)] = Field(
        16, description="Mini-batches of each size, drawn with replacement and as many drawn without."
    )

    @model_validator(mode="after")
    def _smaller_than_the_set(self) -> Settings:
        for size in self.batch_sizes:
            if size >= self.images:
                raise ValueError(
                    f"batch_sizes must be smaller than images, the set that they are drawn from: {size} is not "
                    f"smaller than {self.images}"
                )
            if self.batch_sizes.count(size) > 1:
                raise ValueError(f"batch_sizes: {size} is listed {self.batch_sizes.count(size)} times; keep one")
        return self


COLUMNS = {
    "images": whole("size N of the set of training images that mini-batches are drawn from"),
    "batch_size": whole("size b of the mini-batches"),
    "drawing": text("of each mini-batch from the set: `without replacement` or `with replacement`"),
    "draws": whole("number of mini-batches drawn"),
    "noise": number(
        "mean over draws of |g_B - g|^2, over all parameters; g_B: gradient of the mini-batch's mean loss, g: that of "
        "the whole set as one mini-batch, both without weight decay; missing or infinite where float32 overflows"
    ),
    "standard_error": number("of `noise`, over draws"),
    "bias": number(
        "estimate of |E g_B - g|^2, which `noise` contains: 0 in expectation, scattering on both sides of it, where "
        "mini-batches have the set's gradient in the mean"
    ),
    "C": number(
        "mean over the set of |g_i - g|^2, g_i: gradient of example i alone; missing where examples have no gradient "
        "of their own, as with batch normalisation"
    ),
    "gradient_norm_squared": number("|g|^2 of the set"),
}
