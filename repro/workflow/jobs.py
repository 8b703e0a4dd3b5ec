"""What each job of the workflow trains, looks at and depends on, beside code."""

import json
from collections.abc import Iterable

from repro.machine.errors import UserError
from repro.results import looks
from repro.settings.configuration import MOST_AT_ONCE, Configuration, Run
from repro.settings.recipe import Images


def images(configuration: Configuration) -> dict[str, Images]:
    """All images that the configuration's recipes see, by the digest of their settings."""
    seen = [configuration.recipe.images]
    for experiment in configuration.chosen:
        seen += [recipe.images for recipe in configuration.recipes_of(experiment).values()]
    return {each.digest: each for each in seen}


def trained_together(configuration: Configuration, names: Iterable[str] | None = None) -> list[list[str]]:
    """Names of the runs that one GPU trains side by side, group by group: the first one's job trains them all.

    As many as `training.networks_at_once` has room for with all their seeds, those of like lengths and equal precision
    together; each alone when it has none for two, and on a CPU. `names` None: all runs of the configuration. Raises
    `UserError` for a name that is none.
    """
    room = min(configuration.training.networks_at_once or 1, MOST_AT_ONCE) if configuration.device != "cpu" else 1
    runs = configuration.runs if names is None else {name: configuration.run(name) for name in names}
    groups: list[list[Run]] = []
    for run in sorted(runs.values(), key=lambda run: (run.recipe.precision, run.recipe.epochs)):
        last = groups[-1] if groups else []
        fits = sum(other.seeds for other in last) + run.seeds <= room
        if last and fits and last[0].recipe.precision == run.recipe.precision:
            last.append(run)
        else:
            groups.append([run])
    return [[run.name for run in group] for group in groups]


def longest_first(configuration: Configuration, names: Iterable[str] | None = None) -> list[list[str]]:
    """The groups of `trained_together`, those that need the most network-epochs first.

    Whoever has some hours at a time begins with what takes the longest. Raises `UserError` where there is nothing to
    train, and like `trained_together`.
    """

    def network_epochs(group: list[str]) -> int:
        return sum(run.recipe.epochs * run.seeds for run in map(configuration.run, group))

    if not configuration.runs:
        raise UserError("No experiment of this configuration trains anything; choose another one with --config.")
    return sorted(trained_together(configuration, names), key=network_epochs, reverse=True)


def settings_of_runs(configuration: Configuration, names: list[str]) -> str:
    """What the training of runs depends on, as JSON."""
    parts = [configuration.part_of_run(configuration.run(name)) for name in names]
    return json.dumps(parts, ensure_ascii=False)


def looks_of(configuration: Configuration, experiment: str) -> list[str]:
    """The names and colours of what an experiment's figure compares; a new kind's row changes none of the others."""
    recipes = configuration.recipes_of(experiment).values()
    found = {looks.normalisation(recipe.normalisation_label) for recipe in recipes}
    initialisations = [recipe.initialisation for recipe in recipes]
    initialisations += getattr(configuration.settings_of(experiment), "initialisations", [])  # of toy networks
    found |= set(map(looks.initialisation, initialisations))
    return sorted(map(str, found))


def looked_at(configuration: Configuration, experiment: str) -> list[str]:
    """The files that an experiment looks at: images, histories and kept networks."""
    settings = configuration.settings_of(experiment)
    files = []
    for name, recipe in configuration.recipes_of(experiment).items():
        files.append(configuration.images_file(recipe.images))
        if configuration.needs_training(experiment):
            files.append(configuration.history_file(name))
        files += [configuration.networks_file(name, share) for share in getattr(settings, "after", []) if share]
    return [str(file) for file in dict.fromkeys(files)]
