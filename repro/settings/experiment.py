"""What every experiment's `settings.py` is made of: its columns, and the settings that experiments have in common.

An experiment is a folder in `repro/experiments/`; this package reads from it what there is to set, so adding one
touches nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from repro.settings.recipe import Recipe
from repro.settings.types import Count, Section, Shares


@dataclass(frozen=True)
class Column:
    """A column of a table: what it means, with its unit, and whether it holds text, whole numbers or any numbers."""

    meaning: str
    kind: Literal["number", "whole", "text"] = "number"


def number(meaning: str) -> Column:
    """A column of numbers, which may be missing, or infinite where float32 overflows."""
    return Column(meaning)


def whole(meaning: str) -> Column:
    """A column of whole numbers."""
    return Column(meaning, "whole")


def text(meaning: str) -> Column:
    """A column of text."""
    return Column(meaning, "text")


COMPARED = (
    "Trainings that are compared: each a mapping of those fields of `recipe`, the base, in which it differs from it; "
    "`{}` is the base itself. A list in place of a value stands for one recipe with each of its values."
)

# The first columns of each table that looks at networks: which one a row is about.
NETWORK_COLUMNS = {
    "recipe": text("name of the recipe; the provenance holds it whole"),
    "normalisation": text("kind of normalisation, and its place unless everywhere: `batch`, `none`, `batch-final`"),
    "after": number("share of the training cycle after which the network was looked at; 0: untrained"),
    "seed": whole("seed of the network's weights, of its mini-batch and of the order of its training"),
}


# The table that training writes: one row per network and epoch.
HISTORY_COLUMNS = {
    "recipe": text("name of the recipe; the provenance holds it whole"),
    "normalisation": text("kind of normalisation, and its place unless everywhere: `batch`, `none`, `batch-final`"),
    "initial_learning_rate": number("learning rate at the first step"),
    "epochs": whole("length of the training cycle, epochs"),
    "seed": whole("seed of the weights, the data order and the augmentation"),
    "status": text("how the run ended: `finished` or `diverged`"),
    "epoch": whole("epochs begun, from 1; a diverged run's last one is incomplete"),
    "steps": whole("updates made until the end of this epoch"),
    "learning_rate": number("learning rate in this epoch"),
    "train_loss": number("mean cross-entropy of this epoch's mini-batches as they were trained on, nats"),
    "train_accuracy": number("share of this epoch's training images classified correctly as they were trained on"),
    "test_loss": number("mean cross-entropy of the test images after the epoch, with running averages, nats"),
    "test_accuracy": number("share of the test images classified correctly after the epoch, with running averages"),
    "gradient_norm": number("mean over this epoch's steps of the Euclidean norm of the loss gradient"),
    "seconds": number("time for this epoch, training and test, of all networks trained side by side, seconds"),
}


class NetworkSettings(Section):
    """Settings of an experiment that looks at networks: which ones, how many, and after which share of training."""

    recipes: list[dict[str, Any]] = Field(
        [{}, {"normalisation": "none"}],
        min_length=1,
        description="Networks that are compared: each a mapping of those fields of `recipe`, the base, in which it "
        "differs from it; `{}` is the base itself. A list in place of a value stands for one recipe with each of its "
        "values.",
    )
    seeds: Count = Field(10, description="Networks of each recipe, seeds 0, 1, ...")
    after: Shares = Field(
        [0.0],
        min_length=1,
        description="Shares of the training cycle after which the networks are looked at; 0: untrained. Others than "
        "0 are trained first, and must be among `training.keep`.",
    )

    # Whether more than the untrained network matters: its rate, momentum and so on.
    trains: ClassVar[bool] = False


class FirstStepsSettings(NetworkSettings):
    """Settings of an experiment that trains the networks a few steps further from where it takes them up."""

    trains: ClassVar[bool] = True


class TrainingSettings(Section):
    """Settings of an experiment that asks for the histories of whole trainings."""

    recipes: list[dict[str, Any]] = Field(
        [{}, {"normalisation": "none"}],
        min_length=1,
        description=COMPARED,
    )
    seeds: Count = Field(5, description="Networks of each recipe, seeds 0, 1, ...")


class OutcomeSettings(TrainingSettings):
    """Settings of an experiment that asks how training ends, against one or two fields of the recipe.

    Its folder has no `measure.py`: `repro/training/outcomes.py` makes the table, whose columns are `outcome_columns`.
    """

    factors: ClassVar[tuple[str, ...]]  # the fields that are varied beside the normalisation


# The table of how trainings ended: which network, the factors in between, and this.
NETWORK = {name: HISTORY_COLUMNS[name] for name in ("recipe", "normalisation", "seed", "status")}
OUTCOME_COLUMNS = {
    "epochs": HISTORY_COLUMNS["epochs"],
    "updates": whole("updates made"),
    "train_loss": number("`train_loss` of the last epoch, nats; of a diverged network all that follows is missing"),
    "train_accuracy": number("share of the last epoch's training images classified correctly as they were trained on"),
    "test_loss": number("mean cross-entropy of the test images after the last epoch, nats"),
    "test_accuracy": number("share of the test images classified correctly after the last epoch"),
    "rise": number(
        "train accuracy in the mean of the last eighth of the epochs, minus that of the eighth before: near zero where "
        "training has levelled off; missing where there are fewer than four epochs"
    ),
}


def outcome_columns(*factors: str) -> dict[str, Column]:
    """The columns of a table of outcomes, one row per network, with a column for each of the recipe's `factors`."""
    varied = {name: Column(f"the recipe's {name}", _kind_of(name)) for name in factors}
    return NETWORK | varied | OUTCOME_COLUMNS


def _kind_of(field: str) -> Literal["number", "text"]:
    return "number" if isinstance(Recipe.model_fields[field].default, int | float) else "text"
