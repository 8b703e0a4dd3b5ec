"""In what a table's settings differ from the paper's, which are the defaults of the package."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from repro.machine import code
from repro.page import words
from repro.results import sources
from repro.settings.configuration import Configuration, load, validate
from repro.settings.recipe import Recipe, complete

# How often and how finely something is measured is our choice; defaults say nothing of the paper there.
OURS = ("seeds", "draws", "points")
# Defaults that were recalled from the paper and not confirmed.
RECALLED = ("initialisation", "momentum", "weight_decay")
OVERLAY = "config/examples/shipped_images.yaml"


def told(experiment: str, provenance: Mapping[str, Any]) -> list[str]:
    """The differences, each in a few words; a table measured as in the paper has none."""
    part, paper = provenance["settings"], _paper(experiment)
    said = []
    recipes, published = _as_trained(provenance), list(paper.get("recipes", {}).values())
    for field in Recipe.model_fields:
        here, there = (_values(each[field] for each in both) for both in (recipes, published))
        if here == there:
            continue
        if field == "images":
            said.append(f"{_images(provenance)} instead of all images of CIFAR-10")
        else:
            recalled = " (recalled)" if field in RECALLED else ""
            said.append(f"{_field(field)} {_shown(here)} instead of {_shown(there)}{recalled}")
    for field, there in paper["settings"].items():
        here = part["settings"].get(field)
        if field not in OURS and here != there:
            said.append(f"{_field(field)} {_shown([here])} instead of {_shown([there])}")
    return said


def subject(experiment: str, provenance: Mapping[str, Any]) -> str:
    """Images, with their number where a file picks them, and networks; empty where there are none."""
    if not provenance["settings"].get("recipes"):
        return ""
    _, *networks = sources.subject(experiment, provenance).removeprefix(provenance["data"]["name"]).split("; ")
    # How many images there are is said already.
    return ", ".join([_images(provenance), *(said for said in networks if not said.endswith(" training images"))])


def smaller(provenance: Mapping[str, Any]) -> str:
    """What makes the networks of a table smaller than the paper's, in words; empty if nothing does."""
    recipes = list(provenance["settings"].get("recipes", {}).values())
    said = []
    if any(recipe["depth"] < Recipe().depth for recipe in recipes):
        said.append("shallower networks")
    if any(recipe["images"]["source"] == "synthetic" for recipe in recipes):
        said.append("synthetic images")
    return words.listed(said)


def files(experiment: str, provenance: Mapping[str, Any]) -> list[str]:
    """The package's configuration files that say what a table was measured under; empty when none says so today.

    The overlay that picks the shipped images is among them where it was laid over.
    """
    part = provenance["settings"]
    for named in ([f"config/{part['name']}.yaml"], [f"config/{part['name']}.yaml", OVERLAY]):
        if not all((code.ROOT / file).is_file() for file in named):
            continue
        made = load([str(code.ROOT / file) for file in named])
        says = made.part_of(experiment) if experiment in made.chosen else {}
        recipes = {name: complete(recipe) for name, recipe in part.get("recipes", {}).items()}
        if says.get("settings") == part.get("settings") and says.get("recipes", {}) == recipes:
            return named
    return []


def _paper(experiment: str) -> dict[str, Any]:
    settings = {"name": "paper", "experiments": {experiment: {}}}
    made: Configuration = validate(settings)
    return made.part_of(experiment)


def _as_trained(provenance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The recipes, each with the precision that its device found to be the fastest where it asks for that."""
    trained = provenance.get("trained", {})
    return [
        complete(recipe) | {"precision": trained.get(name, {}).get("precision", recipe["precision"])}
        for name, recipe in provenance["settings"].get("recipes", {}).items()
    ]


def _images(provenance: Mapping[str, Any]) -> str:
    """The images' name, with the number of training images where not all are used."""
    name = provenance["data"]["name"]
    recipes = provenance["settings"]["recipes"].values()
    counts = {images["train_images"] or _picked(images["positions"]) for images in (r["images"] for r in recipes)}
    counts.discard(None)
    return f"{counts.pop():,} images of {name}" if len(counts) == 1 else name


def _picked(positions: str | None) -> int | None:
    if positions is None or not (code.ROOT / positions).is_file():
        return None
    with np.load(code.ROOT / positions, allow_pickle=False) as arrays:
        return len(arrays["train_index"])


def _values(found: Iterable[Any]) -> list[Any]:
    """Distinct values, the smallest first."""
    distinct: list[Any] = []
    for value in found:
        if value not in distinct:
            distinct.append(value)
    return sorted(
        distinct, key=lambda value: (str(type(value)), value if isinstance(value, int | float) else str(value))
    )


def _field(name: str) -> str:
    return name.replace("_", " ")


def _shown(values: Iterable[Any]) -> str:
    return " / ".join(_one(value) for value in values)


def _one(value: Any) -> str:
    if value is None:
        return "the paper's"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_one, value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
