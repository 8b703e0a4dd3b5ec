"""What a table was measured on, in words, from the provenance in its companion."""

from collections.abc import Mapping
from typing import Any

from repro.errors import UserError


def subject(experiment: str, provenance: Mapping[str, Any]) -> str:
    """Data and network, and of trained ones how long and on how many images; empty where there are none.

    Raises `UserError` when the provenance is not that of a table of this experiment.
    """
    return "; ".join(_checked(_subject, experiment, provenance))


def source_line(experiment: str, provenance: Mapping[str, Any]) -> str:
    """The subject, seeds, configuration and revision, as it stands below a figure; raises `UserError` likewise."""
    return "; ".join([*_checked(_subject, experiment, provenance), *_checked(_run, experiment, provenance)])


def _checked(part: Any, experiment: str, provenance: Mapping[str, Any]) -> list[str]:
    try:
        parts: list[str] = part(experiment, provenance)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"The table's companion is not that of {experiment}; measure {experiment} again.") from None
    return parts


def _subject(experiment: str, provenance: Mapping[str, Any]) -> list[str]:
    settings = provenance["settings"]
    training = settings.get("training", {})
    trained = "conditions" in training
    parts = []
    if provenance["data"]:
        parts.append(provenance["data"]["name"])
    if trained and settings["data"]["train_images"]:
        parts.append(f"{settings['data']['train_images']:,} training images")
    if "network" in settings:
        own = training if trained else settings["experiments"][experiment]
        parts.append(f"ResNet-{own.get('depth') or settings['network']['depth']}")
    if trained:
        lengths = sorted({condition["epochs"] for condition in training["conditions"]})
        parts.append(f"{lengths[0]} to {lengths[-1]} epochs" if len(lengths) > 1 else f"{lengths[0]} epochs")
    return parts


def _run(experiment: str, provenance: Mapping[str, Any]) -> list[str]:
    settings = provenance["settings"]
    trained = "conditions" in settings.get("training", {})
    own = settings["training"] if trained else settings["experiments"][experiment]
    parts = []
    for repetitions in ("seeds", "draws"):
        if repetitions in own:
            count = own[repetitions]
            parts.append(f"{count} {repetitions}" if count > 1 else f"1 {repetitions[:-1]}")
    parts.append(f"configuration '{settings['name']}'")
    # Conditions may have been trained at other times than their tables were gathered, and by other code.
    revisions = {origin["revision"] for origin in provenance.get("trained", {}).values()} or {provenance["revision"]}
    for each in sorted(revisions):
        revision, _, modified = each.partition("-")
        parts.append(f"revision {revision[:8]}" + (f", {modified}" if modified else ""))
    return parts
