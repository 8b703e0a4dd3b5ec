"""Which source files a step of the workflow depends on; nothing is imported to find out.

A step's inputs are the modules that it imports, directly or not, as files; Snakemake compares their checksums. So
editing code reruns the steps whose outcome it can change and no others: how a figure is drawn measures nothing again.
What a step loads by name - an experiment's parts, the kinds of its recipes - is added by name, so that adding another
changes nothing.
"""

from collections.abc import Iterable

from repro.machine import code
from repro.settings.configuration import Configuration
from repro.settings.experiment import NetworkSettings, OutcomeSettings, TrainingSettings
from repro.settings.recipe import Recipe
from repro.settings.types import PACKAGE

# What configuration does to a step is in the rule's `params`, as are the looks of what a figure shows; messages,
# progress, locks and which of several GPUs computes change no result.
WITHOUT_RESULT = (
    "repro.settings",
    "repro.machine.code",
    "repro.machine.errors",
    "repro.machine.files",
    "repro.machine.gpu_lease",
    "repro.machine.locks",
    "repro.machine.progress",
    "repro.results.looks",
)
# The runner of the measurements imports these only where an experiment looks at networks.
NETWORKS_ONLY = ("repro.training", "repro.networks", "repro.images", "repro.instruments")


def of_data() -> list[str]:
    """What decides the decoded images."""
    return _files(code.modules(["repro.images.loading"], WITHOUT_RESULT))


def of_training(recipe: Recipe) -> list[str]:
    """What decides a run's history and networks."""
    return _files(code.modules(["repro.training.train", *recipe.kinds], WITHOUT_RESULT))


def of_measuring(configuration: Configuration, experiment: str) -> list[str]:
    """What decides an experiment's table."""
    own = f"repro.experiments.{experiment}"
    settings = configuration.settings_of(experiment)
    measure = "repro.training.outcomes" if isinstance(settings, OutcomeSettings) else f"{own}.measure"
    found = code.modules([measure, f"{own}.settings"], WITHOUT_RESULT)
    found |= code.modules(["repro.experiments.measuring"], (*WITHOUT_RESULT, *NETWORKS_ONLY))
    if isinstance(settings, NetworkSettings):
        kinds = {kind for recipe in configuration.recipes_of(experiment).values() for kind in recipe.kinds}
        found |= code.modules(["repro.machine.devices", "repro.training.snapshots", *kinds], WITHOUT_RESULT)
    if isinstance(settings, TrainingSettings) or configuration.needs_training(experiment):
        found |= code.modules(["repro.training.histories"], WITHOUT_RESULT)
    return _files(found)


def of_showing(experiment: str) -> list[str]:
    """What decides an experiment's figure and summary."""
    own = f"repro.experiments.{experiment}"
    starts = [f"{own}.show", f"{own}.settings", "repro.experiments.showing"]
    return _files(code.modules(starts, WITHOUT_RESULT))


def of_scoring(experiments: Iterable[str]) -> list[str]:
    """What decides the scorecard of these experiments."""
    starts = ["repro.experiments.scoring"]
    for experiment in experiments:
        own = f"repro.experiments.{experiment}"
        starts += [f"{own}.{part}" for part in ("settings", "claims") if code.file_of(f"{own}.{part}").exists()]
    return _files(code.modules(starts, WITHOUT_RESULT))


def of_page(experiments: Iterable[str]) -> list[str]:
    """What decides the page: its code, template, style and script; these experiments' captions and claims.

    Why a rule is as it is, and what it was before, stands on the page and not in the scorecard.
    """
    files = sorted({*of_scoring(experiments), *_files(code.modules(["repro.page"], WITHOUT_RESULT))})
    beside = [*(PACKAGE / "page").glob("*.html"), *(PACKAGE / "page").glob("*.css"), *(PACKAGE / "page").glob("*.js")]
    beside += [PACKAGE / "experiments" / experiment / "caption.rst" for experiment in experiments]
    return files + sorted(str(path.relative_to(code.ROOT)) for path in beside)


def _files(modules: Iterable[str]) -> list[str]:
    """Files relative to the repository's root, sorted."""
    return sorted(str(code.file_of(module).relative_to(code.ROOT)) for module in modules)
