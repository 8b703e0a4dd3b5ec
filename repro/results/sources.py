"""What a table was measured on, in words, from the provenance in its companion."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from repro.machine.errors import UserError
from repro.settings import catalogue
from repro.settings.experiment import FirstStepsSettings


def subject(experiment: str, provenance: Mapping[str, Any]) -> str:
    """Data and network, and of trained ones how long and on how many images; empty where there are none.

    Raises `UserError` when the provenance is not that of a table of this experiment.
    """
    return _checked(experiment, provenance, _subject)


def source_line(experiment: str, provenance: Mapping[str, Any]) -> str:
    """The subject, seeds, configuration and revision, as it stands below a figure; raises `UserError` likewise."""
    return _checked(experiment, provenance, _subject, _run)


def measured_on(experiment: str, provenance: Mapping[str, Any]) -> str:
    """One sentence: images, networks, how they were trained, recipes, seeds and configuration, from the provenance."""
    part = provenance["settings"]
    recipes, settings = part.get("recipes", {}), part["settings"]
    if not recipes:
        return f'Measured under configuration "{part["name"]}".'
    said = [subject(experiment, provenance)]
    said.append("mini-batches of " + ", ".join(map(str, sorted({recipe["batch_size"] for recipe in recipes.values()}))))
    said.append(f"{settings['seeds']} seed{'s' if settings['seeds'] > 1 else ''}")
    shares = sorted(set(settings.get("after", [])))
    if shares == [0]:
        first_steps = issubclass(catalogue.entry(experiment).settings, FirstStepsSettings)
        said.append("from the first step on" if first_steps else "untrained networks")
    elif shares:
        said.append("after " + ", ".join(f"{100 * share:g} %" for share in shares) + " of training")
    return f'Measured on {"; ".join(said)}; recipes {", ".join(recipes)}; configuration "{part["name"]}".'


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
        precisions = sorted({recipe["precision"] for recipe in recipes})
        if precisions != ["float32"]:
            # Which one is the fastest, is known once it was trained.
            parts.append(" and ".join(precisions).replace("fastest", "float32 or bfloat16"))
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
    # Each with the precision that it was trained in, where its own is the fastest of a device.
    found = provenance.get("trained", {})
    as_trained = [
        recipe | {"precision": found.get(name, {}).get("precision", recipe["precision"])}
        for name, recipe in recipes.items()
    ]
    return parts + (networks(as_trained, settings["trained"]) if recipes else [])


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
