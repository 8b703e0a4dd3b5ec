"""Settings and columns of what batch normalisation normalises by at test time."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from repro.settings.experiment import FirstStepsSettings, number, text, whole
from repro.settings.types import BatchSize, Count, PositiveShares, Shares

ITEM = "evaluation"
TABLE = "csv"
RUNNING, POPULATION, BATCH, STANDING = "running averages", "population", "mini-batch", "averaged standing still"


def _distinct(sizes: list[int]) -> list[int]:
    for size in sizes:
        if sizes.count(size) > 1:
            raise ValueError(f"{size} is listed {sizes.count(size)} times; keep one")
    return sizes


class Settings(FirstStepsSettings):
    """Settings of evaluation by several statistics (Ioffe and Szegedy 2015, Section 3.1, Algorithm 2)."""

    recipes: list[dict[str, Any]] = Field(
        [{}],
        min_length=1,
        description="Networks with batch normalisation after every convolution or activation: what each has in place "
        "of the base recipe's settings. A list in place of a value stands for one recipe with each of its values.",
    )
    seeds: Count = Field(5, description="Networks of each recipe, seeds 0, 1, ...")
    after: Shares = Field(
        [1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are evaluated; must be among "
        "`training.keep`.",
    )
    batch_sizes: Annotated[list[BatchSize], AfterValidator(_distinct)] = Field(
        [2, 8, 32, 128, 512],
        min_length=1,
        description="Sizes b of the mini-batches of test images that are normalised by their own moments.",
    )
    momenta: PositiveShares = Field(
        [0.001, 0.01, 0.1, 1.0],
        description="Averaging momenta: shares of the way that a mini-batch moves the running averages while the "
        "weights stand still; 1: the last mini-batch's moments alone. May be empty.",
    )
    passes: Count = Field(
        400,
        description="Mini-batches of ordinary training, of the recipe's size, that move them so: about 50,000 images.",
    )


COLUMNS = {
    "statistics": text(
        f"what batch normalisation normalises by: `{RUNNING}`, the network's own; `{POPULATION}`, the moments over all "
        f"training images, not augmented; `{BATCH}`, those of each mini-batch of test images; `{STANDING}`, the "
        "running averages after more mini-batches of training that leave the weights as they are"
    ),
    "batch_size": number(f"size b of a mini-batch of test images; of `{BATCH}` alone"),
    "averaging_momentum": number(f"share of the way that a mini-batch moved the averages; of `{STANDING}` alone"),
    "images": whole("test images that were evaluated: all that make up whole mini-batches"),
    "test_accuracy": number("share of these images classified correctly; one whose logits are not finite is not"),
    "test_loss": number("mean cross-entropy of these images, nats"),
    "population_accuracy": number(f"`test_accuracy` of the same network and images by `{POPULATION}`"),
    "population_loss": number("`test_loss`, likewise"),
}
