"""What a table was measured on, in words, from the provenance in its companion."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from repro.machine.errors import UserError


def subject(experiment: str, provenance: Mapping[str, Any]) -> str:
    """Data and network, and of trained ones how long and on how many images; empty where there are none.

    Raises `UserError` when the provenance is not that of a table of this experiment.
    """
    return _checked(experiment, provenance, _subject)


def source_line(experiment: str, provenance: Mapping[str, Any]) -> str:
    """The subject, seeds, configuration and revision, as it stands below a figure; raises `UserError` likewise."""
    return _checked(experiment, provenance, _subject, _run)


def networks(recipes: Iterable[Mapping[str, Any]], trained: bool) -> list[str]:
    """What several recipes have in common, in words: depths, and of trained ones images and epochs."""
    recipes = list(recipes)
    parts = []
    images = sorted({recipe["images"]["train_images"] for recipe in recipes if recipe["images"]["train_images"]})
    if trained and images:
        parts.append(f"{_range(images)} training images")
    parts.append(f"ResNet-{_range(sorted({recipe['depth'] for recipe in recipes}))}")
    if trained:
        epochs = sorted({recipe["epochs"] for recipe in recipes})
        parts.append("1 epoch" if epochs == [1] else f"{_range(epochs)} epochs")
        parts += sorted({recipe["precision"] for recipe in recipes} - {"float32"})
    return parts


def _range(values: list[int]) -> str:
    return f"{values[0]:,} to {values[-1]:,}" if len(values) > 1 else f"{values[0]:,}"


def _checked(experiment: str, provenance: Mapping[str, Any], *parts: Callable[[Mapping[str, Any]], list[str]]) -> str:
    try:
        if provenance["settings"]["experiment"] != experiment:
            raise ValueError
        return "; ".join(words for part in parts for words in part(provenance))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        raise UserError(f"The table's companion is not that of {experiment}; measure {experiment} again.") from None


def _subject(provenance: Mapping[str, Any]) -> list[str]:
    settings = provenance["settings"]
    recipes = settings.get("recipes", {})
    parts = [provenance["data"]["name"]] if provenance["data"] else []
    return parts + (networks(recipes.values(), settings["trained"]) if recipes else [])


def _run(provenance: Mapping[str, Any]) -> list[str]:
    settings = provenance["settings"]
    parts = []
    for repetitions in ("seeds", "draws"):
        if repetitions in settings["settings"]:
            count = settings["settings"][repetitions]
            parts.append(f"{count} {repetitions}" if count > 1 else f"1 {repetitions[:-1]}")
    parts.append(f"configuration '{settings['name']}'")
    # Networks may have been trained at other times than they were looked at, and by other code.
    revisions = {origin["revision"] for origin in provenance.get("trained", {}).values()} or {provenance["revision"]}
    for each in sorted(revisions):
        revision, _, modified = each.partition("-")
        parts.append(f"revision {revision[:8]}" + (f", {modified}" if modified else ""))
    return parts
