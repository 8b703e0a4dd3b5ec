"""What each job of the workflow is given: the part of the configuration that it depends on.

A job that is given just this part reruns just when one of its settings changes. Nothing here imports torch, so that
planning a workflow stays fast.
"""

from collections.abc import Sequence
from typing import Any

from repro.config import Configuration, experiment_entry
from repro.errors import UserError


def for_experiment(configuration: Configuration, name: str) -> dict[str, Any]:
    """The part of the configuration on which an experiment depends, as plain JSON types."""
    needs = experiment_entry(name)["needs"]
    keep = {
        "nothing": {"name", "device"},
        "network": {"name", "device", "batch_size", "data", "network"},
        "steps": {"name", "device", "batch_size", "data", "network", "training"},
        "training": {"name", "device", "batch_size", "data", "network", "training"},
    }[needs]
    settings = configuration.model_dump(mode="json")
    part = {key: settings[key] for key in settings if key in keep}
    if needs == "steps":
        part["training"] = {key: settings["training"][key] for key in ("momentum", "weight_decay", "augmentation")}
    part["experiments"] = {name: settings["experiments"][name]}
    return part


def for_condition(configuration: Configuration, name: str, beside: Sequence[str] = ()) -> dict[str, Any]:
    """The part on which the training of one condition depends, and of those trained beside it, as plain JSON types.

    Raises `UserError` when there is no such condition.
    """
    settings = configuration.model_dump(mode="json")
    part = {key: settings[key] for key in ("name", "device", "batch_size", "data", "network", "training")}
    known = {condition.name: condition for condition in configuration.training.conditions}
    for each in (name, *beside):
        if each not in known:
            raise UserError(f"There is no condition '{each}' in the configuration; it has {', '.join(known)}.")
    part["training"]["conditions"] = [known[each].model_dump(mode="json") for each in (name, *beside)]
    return part


def trained_together(configuration: Configuration) -> list[list[str]]:
    """Names of the conditions that one GPU trains side by side, group by group: the first one's job trains them all.

    As many as `training.networks_at_once` has room for with all their seeds, those of like lengths together; each
    alone when it has none for two, and on a CPU.
    """
    training = configuration.training
    size = 1 if configuration.device == "cpu" else max(1, (training.networks_at_once or 0) // training.seeds)
    names = [condition.name for condition in sorted(training.conditions, key=lambda condition: condition.epochs)]
    return [names[first : first + size] for first in range(0, len(names), size)]


def for_data(configuration: Configuration) -> dict[str, Any]:
    """The part of the configuration on which the decoded images depend, as plain JSON types."""
    return {"name": configuration.name, "data": configuration.data.model_dump(mode="json")}
