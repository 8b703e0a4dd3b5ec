"""Settings and columns of batch normalisation that is put into a trained network."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import FirstStepsSettings, number, text, whole
from repro.settings.types import Count, PositiveNumber, Shares

ITEM = "inserted"
TABLE = "csv"
ORIGINAL, IDENTITY, STANDARDISED = "original", "identity", "standardised"
VARIANTS = (ORIGINAL, IDENTITY, STANDARDISED)
BEFORE, AFTER = "inserted", "fine-tuned"


class Settings(FirstStepsSettings):
    """Settings of batch normalisation that is put into a trained network (Ioffe and Szegedy 2015, Section 3)."""

    recipes: list[dict[str, Any]] = Field(
        [{"normalisation": "none"}, {"normalisation": "none", "shortcut": "none"}],
        min_length=1,
        description="Networks without normalisation, by default a residual and a plain one: what each has in place of "
        "the base recipe's settings. A list in place of a value stands for one recipe with each of its values.",
    )
    seeds: Count = Field(5, description="Networks of each recipe, seeds 0, 1, ...")
    after: Shares = Field(
        [1.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are taken up; must be among "
        "`training.keep`.",
    )
    updates: Count = Field(2000, description="Updates of fine-tuning, with and without batch normalisation.")
    learning_rate: PositiveNumber = Field(0.01, description="Learning rate of fine-tuning, constant.")


COLUMNS = {
    "shortcut": text("the recipe's: `A` or `B` of residual networks, `none` of plain ones"),
    "variant": text(
        f"`{ORIGINAL}`: the network without batch normalisation (BN); `{IDENTITY}`: with BN after every convolution, "
        f"gamma and beta undoing it; `{STANDARDISED}`: with BN, gamma 1 and beta 0"
    ),
    "moment": text(f"`{BEFORE}`: no update made; `{AFTER}`: after the updates of fine-tuning"),
    "status": text("`finished`, or `diverged` in fine-tuning; what follows is then missing"),
    "updates": whole("updates that were to be made by then"),
    "learning_rate": number("learning rate of these updates"),
    "dead_channels": whole("channels of all BN layers that are the same for every training image; 0 of the original"),
    "test_accuracy": number("share of the test images classified correctly in evaluation mode"),
    "batch_accuracy": number("the same in training mode, by the statistics of mini-batches of the recipe's size"),
    "largest_logit": number("largest absolute logit of the original network on the test images, evaluation mode"),
    "rms_logit": number("root mean square of the same logits"),
    "largest_change": number(
        "largest absolute difference of a logit from the original network's, test images, evaluation mode; of changes, "
        "fine-tuned networks have none"
    ),
    "rms_change": number("root mean square of these differences"),
    "batch_largest_change": number(
        "largest absolute difference of a logit from the original network's, both in training mode on mini-batches of "
        "test images of the recipe's size"
    ),
    "batch_rms_change": number("root mean square of these differences"),
}
