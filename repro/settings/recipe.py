"""A recipe: everything that decides a network's weights, and nothing else.

A run is a recipe and a seed. Recipes are named by what differs from the configuration's base recipe, and identified by
a digest.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from repro.settings.explanations import explain
from repro.settings.types import (
    BatchSize,
    Count,
    Depth,
    Fraction,
    Groups,
    NonNegativeNumber,
    PositiveNumber,
    PositiveShare,
    Section,
    Text,
    kind_of,
)

Precision = Literal["float32", "tf32", "bfloat16", "fastest"]
Place = Literal["everywhere", "after_activation", "final"]


class Images(Section):
    """Which images the networks see."""

    source: Literal["synthetic", "cifar10", "cifar100", "image_folder"] = Field(
        "cifar10",
        description="`synthetic` is embedded and needs no download; `image_folder` reads "
        "`<folder>/train/<class>/*` and `<folder>/test/<class>/*`.",
    )
    folder: Text = Field(
        "data",
        description="Where downloads and decoded images are kept; for `image_folder`, the folder to read.",
    )
    archive: Text | None = Field(
        None,
        description="A local copy of the official archive (`cifar-10-python.tar.gz`) instead of a download.",
    )
    mirrors: list[Text] = Field(
        [], description="Web folders that hold the official archive, tried in order before the original host."
    )
    positions: Text | None = Field(
        None,
        description="A file with the positions in the official archive of the images to use, like "
        "`config/lossless-subset.npz`, on which the shipped tables were measured; null: all.",
    )
    train_images: Count | None = Field(
        None, description="Use this many training images, equally many of each class; null: all."
    )
    test_images: Count | None = Field(
        None, description="Use this many test images, equally many of each class; null: all."
    )
    label: Text | None = Field(None, description="Name of the data in figures and tables; null: the source's own name.")

    @property
    def name(self) -> str:
        """What figures, tables and captions call the images."""
        own = {"synthetic": "synthetic images", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
        return self.label or own.get(self.source) or os.path.basename(os.path.realpath(os.path.expanduser(self.folder)))

    @property
    def decides(self) -> dict[str, Any]:
        """What decides which images these are, as plain JSON types: not where the official archive comes from."""
        only_where = {"archive", "mirrors"} if self.source == "image_folder" else {"archive", "mirrors", "folder"}
        return self.model_dump(mode="json", exclude=only_where)

    @property
    def digest(self) -> str:
        """Tells these images from others in file names."""
        return hashlib.sha256(json.dumps(self.decides, sort_keys=True).encode()).hexdigest()[:8]

    @model_validator(mode="after")
    def _consistent(self) -> Images:
        if self.archive is not None and self.source not in ("cifar10", "cifar100"):
            raise ValueError(f"archive is for cifar10 and cifar100, not for {self.source}; remove it")
        if self.mirrors and self.source not in ("cifar10", "cifar100"):
            raise ValueError(f"mirrors are for cifar10 and cifar100, not for {self.source}; remove them")
        if self.positions is not None and self.source not in ("cifar10", "cifar100"):
            raise ValueError(f"positions are for cifar10 and cifar100, not for {self.source}; remove them")
        return self


class Recipe(Section):
    """How a network is made and trained: what decides its weights, apart from the seed. Defaults are the paper's."""

    images: Images = Field(Images(), description="Which images the network sees.")
    depth: Depth = Field(110, description="Number of weighted layers of the residual network (He et al. 2016), 6n+2.")
    shortcut: Literal["A", "B", "none"] = Field(
        "B",
        description="Where a stage begins: A subsamples and pads with zero channels, B projects with a 1x1 "
        "convolution. Found by trial: B reproduces Figure 5 and Table 1. `none`: the plain network, without any "
        "addition.",
    )
    normalisation: kind_of("normalisation") = Field(  # type: ignore[valid-type]
        "batch", description="Kind of normalisation: a module in `repro/networks/normalisation`."
    )
    place: Place = Field(
        "everywhere",
        description="Where it stands: `everywhere`: after every convolution, before the activation; "
        "`after_activation`: after every activation; `final`: once, after the last residual block.",
    )
    groups: Groups = Field(
        8, description="Groups of channels where the normalisation is one of groups; it divides 16. 8 is ours."
    )
    averaging_momentum: PositiveShare = Field(
        0.1, description="Share of the way that a training step moves a normalisation's running averages (PyTorch's)."
    )
    renormalisation_start: Count = Field(
        5000,
        description="Updates before Batch Renormalization's limits open; d_max is 5 after five and r_max 3 after eight "
        "times as many (Ioffe 2017). Shorten it for short trainings, which otherwise end as batch normalisation.",
    )
    activation: kind_of("activation") = Field(  # type: ignore[valid-type]
        "relu", description="A module in `repro/networks/activation`."
    )
    initialisation: kind_of("initialisation") = Field(  # type: ignore[valid-type]
        "xavier_normal",
        description="Of every convolution, a module in `repro/networks/initialisation` (Xavier recalled from the "
        "paper); the classifier keeps PyTorch's default.",
    )
    gain: PositiveNumber = Field(1.0, description="Factor on the initial weights of every convolution.")
    dropout: Fraction = Field(0.0, description="Share of activations dropped between a block's two convolutions.")
    learning_rate: PositiveNumber = Field(0.1, description="Learning rate at the first step.")
    drops: list[PositiveShare] = Field(
        [0.5, 0.75], description="Shares of the training cycle at which the learning rate is divided by 10."
    )
    epochs: Count = Field(165, description="Length of the training cycle in passes over the training images.")
    batch_size: BatchSize = Field(128, description="Images in a mini-batch.")
    momentum: Fraction = Field(0.9, description="Momentum of SGD (recalled from the paper).")
    weight_decay: NonNegativeNumber = Field(
        5e-4, description="L2 penalty on every parameter (recalled from the paper; He et al. use 1e-4)."
    )
    augmentation: bool = Field(True, description="Random crops after padding by 4 zero pixels, and horizontal flips.")
    precision: Precision = Field(
        "float32",
        description="Arithmetic of training: strict `float32`; `tf32`, which rounds the factors in convolutions and "
        "matrix products to 10 bits on CUDA; `bfloat16` for activations, with float32 weights; or the `fastest` of "
        "float32 and bfloat16 on the device that trains, which results name. Measurements are always strict.",
    )

    @model_validator(mode="after")
    def _placed(self) -> Recipe:
        if self.normalisation == "none" and self.place != "everywhere":
            raise ValueError("place: there is no normalisation to place; leave it `everywhere`, or choose another one")
        if self.normalisation == "skip_init" and (self.place != "everywhere" or self.shortcut == "none"):
            field, needed = ("shortcut", "`A` or `B`") if self.shortcut == "none" else ("place", "`everywhere`")
            raise ValueError(
                f"{field}: SkipInit stands at the end of residual branches; choose {needed}, or another normalisation"
            )
        if self.normalisation == "weight_standardisation" and self.place == "final":
            raise ValueError(
                "place: standardised kernels need a normalisation behind each of them; choose `everywhere` or "
                "`after_activation`, or the normalisation `group`"
            )
        return self

    @property
    def normalisation_label(self) -> str:
        """Kind, and place unless everywhere, as it stands in tables: `batch`, `none`, `batch-final`."""
        return self.normalisation if self.place == "everywhere" else f"{self.normalisation}-{self.place}"

    @property
    def digest(self) -> str:
        """Identity of the recipe: a digest of all that decides weights but the images, whose checksum tells them."""
        decides = self.model_dump(mode="json", exclude={"images"})
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def decides(self) -> dict[str, Any]:
        """All that decides weights and measurements, as plain JSON types."""
        return self.model_dump(mode="json", exclude={"images"}) | {"images": self.images.decides}

    @property
    def kinds(self) -> list[str]:
        """The modules that its kinds name."""
        rooms = ("normalisation", "activation", "initialisation")
        return [f"repro.networks.{room}.{getattr(self, room)}" for room in rooms]

    def resolved(self, fastest: Precision) -> Recipe:
        """The recipe as a device trains it: with `fastest`, that device's fastest precision, where it says so."""
        return self.model_copy(update={"precision": fastest}) if self.precision == "fastest" else self

    def untrained(self) -> Recipe:
        """The same with what decides training alone set to defaults: equal for networks that are equal untrained."""
        return self.model_copy(update={name: Recipe.model_fields[name].default for name in TRAINING_ONLY})


TRAINING_ONLY = (
    "averaging_momentum",
    "renormalisation_start",
    "learning_rate",
    "drops",
    "epochs",
    "momentum",
    "weight_decay",
    "augmentation",
    "precision",
)

# How a field stands in a recipe's name, before its value; what is one of a few words stands alone.
SHORT = {"learning_rate": "lr", "batch_size": "batch", "weight_decay": "decay", "train_images": "train"}
SHORT |= {"averaging_momentum": "averaging", "renormalisation_start": "renormalising"}
SHORT |= {"test_images": "test", "positions": "positions_", "folder": "folder_", "label": "label_"}
SHORT |= dict.fromkeys(("shortcut", "activation", "initialisation", "precision", "source"), "")
PLAIN = "plain"  # a network without shortcuts: `none` is a normalisation's name
MOST_CROSSED = 1000  # recipes from one variation: a slip, and days of training
LONGEST = 120  # characters of a name, so that it fits into file names


def complete(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """`recipe`, as in the provenance of a table, with defaults for the fields that came after it was written."""
    defaults = Recipe().decides
    return {**defaults, **recipe, "images": {**defaults["images"], **recipe["images"]}}


def vary(base: Recipe, variation: Mapping[str, Any]) -> Recipe:
    """`base` with the fields of `variation` in place of its own, `images` field by field.

    Raises pydantic's `ValidationError` where a field does not exist or cannot have that value.
    """
    settings = base.model_dump()
    if variation.get("normalisation") == "none":
        settings["place"] = "everywhere"  # the base's place is that of a normalisation that this recipe does not have
    for key, value in variation.items():
        settings[key] = settings["images"] | value if key == "images" and isinstance(value, Mapping) else value
    return Recipe.model_validate(settings)


def name(recipe: Recipe, base: Recipe) -> str:
    """What a recipe is called: its normalisation, then what else differs from `base`, like `none-lr0.003`.

    Safe as a file name; different recipes have different names, but for settings of the images that only say where
    they lie.
    """
    fields = [field for field in Recipe.model_fields if field not in ("images", "normalisation", "place")]
    differing = _differing(recipe, base, fields)
    differing += _differing(
        recipe.images, base.images, ("train_images", "test_images", "positions", "source", "folder", "label")
    )
    called = "-".join([recipe.normalisation_label, *differing])
    return called if len(called) <= LONGEST else f"{called[: LONGEST - 13]}-{_short_digest(called, 12)}"


def _differing(section: Section, base: Section, fields: Sequence[str]) -> list[str]:
    return [
        PLAIN
        if (field, getattr(section, field)) == ("shortcut", "none")
        else SHORT.get(field, field) + _shown(getattr(section, field))
        for field in fields
        if getattr(section, field) != getattr(base, field)
    ]


def _shown(value: Any) -> str:
    """A setting's value in a name: letters, digits, `_`, `.`, `+`, and `-` in exponents; different ones differ."""
    if isinstance(value, list):
        return "+".join(map(_shown, value))
    if isinstance(value, bool) or value is None:
        return f"_{str(value).lower()}"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    safe = re.sub(r"[^A-Za-z0-9_.]+", "_", str(value))
    # A path, or text that two recipes could share once made safe.
    return safe if safe == str(value) and len(safe) <= 40 else f"{safe[-20:]}_{_short_digest(value, 6)}"


def _short_digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def crossed(variation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One variation for each combination of the values of those fields that have a list in place of a value.

    `{normalisation: [batch, none], depth: 8}` is two. `drops`, whose values are lists, takes a list of lists. Raises
    `ValueError` when there would be none, or more than `MOST_CROSSED`.
    """
    choices = {}
    for field, value in variation.items():
        several = isinstance(value, list) and (field != "drops" or any(isinstance(each, list) for each in value))
        choices[field] = value if several else [value]
        if not choices[field]:
            raise ValueError(f"{field} is a list without values; give some, or a single one")
    if math.prod(map(len, choices.values())) > MOST_CROSSED:
        raise ValueError(f"has lists that make more than {MOST_CROSSED} recipes; shorten them")
    return [dict(zip(choices, combination, strict=True)) for combination in itertools.product(*choices.values())]


def _numbered(variations: Sequence[Mapping[str, Any]], where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """All combinations of each variation, with the variation's number."""
    for number, variation in enumerate(variations):
        try:
            combinations = crossed(variation)
        except ValueError as error:
            raise ValueError(f"{where}.{number}: {error}") from None
        yield from ((number, each) for each in combinations)


def named(base: Recipe, variations: Sequence[Mapping[str, Any]], trained: bool, where: str) -> dict[str, Recipe]:
    """The recipes that vary `base`, by their names; untrained networks' without what decides training alone.

    Raises `ValueError` when two of them are the same or one is none; `where` is the path of `variations`.
    """
    found: dict[str, Recipe] = {}
    plain = base if trained else base.untrained()
    for number, variation in _numbered(variations, where):
        try:
            recipe = vary(base, variation)
        except ValidationError as error:
            said = [explain(detail, Recipe, f"{where}.{number}") for detail in error.errors()]
            raise ValueError("; ".join(said)) from None
        recipe = recipe if trained else recipe.untrained()
        called = name(recipe, plain)
        if called in found:
            hint = "" if trained else ", the same network before training"
            raise ValueError(f"{where}: {called} is listed twice{hint}; keep one")
        found[called] = recipe
    return found
