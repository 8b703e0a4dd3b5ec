"""The configuration: one base recipe, how training goes about it, and the experiments with their settings.

Defaults are the paper's values: a configuration file says only where it departs from them. From these classes come
the JSON schema (`workflow/schemas/configuration.schema.json`) and the reference page (`docs/configuration.md`);
`python -m repro schema` writes both. Nothing here imports torch, so that planning a workflow stays fast.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, create_model, model_validator

from repro.machine.errors import UserError
from repro.settings import catalogue
from repro.settings.experiment import NetworkSettings, TrainingSettings
from repro.settings.explanations import explain
from repro.settings.recipe import Images, Recipe, named
from repro.settings.types import Count, NonNegativeNumber, PositiveShares, Section, Text

# PyTorch has 32 CUDA streams of a priority (pytorch issue 34878): one to begin and end on, and one for each network.
MOST_AT_ONCE = 31


class Training(Section):
    """How training goes about its runs; nothing here decides a network's weights."""

    keep: PositiveShares = Field(
        [0.02, 0.1, 0.5, 1.0],
        description="Shares of the training cycle after which every network is kept, at the end of an epoch, for "
        "experiments to look at. A share that is added later trains finished networks from the start.",
    )
    networks_at_once: Count | None = Field(
        None,
        description="Networks that one GPU trains side by side, at most 31; null: all seeds of a recipe. Room for the "
        "seeds of several recipes is filled with those. A CPU trains one after the other.",
    )
    checkpoint_minutes: NonNegativeNumber = Field(
        5.0, description="Time between checkpoints, also within an epoch; 0: after every epoch."
    )


@dataclass(frozen=True)
class Run:
    """A recipe that is trained, with seeds 0, 1, ..., for all experiments that ask for it."""

    name: str
    recipe: Recipe
    seeds: int


Experiments: type[Section] = create_model(  # type: ignore[call-overload]
    "Experiments",
    __base__=Section,
    __doc__="The experiments to make; all of them where none is named. Each is a folder in `repro/experiments`.",
    **{
        entry.name: (entry.settings, Field(entry.settings(), description=(entry.settings.__doc__ or "").strip()))
        for entry in catalogue.entries().values()
    },
)


class Configuration(Section):
    """Everything that decides what a run of the workflow measures."""

    name: Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = Field(
        description="Results go to `results/<name>/`, figures to `paper_figures/<name>/`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: a CUDA device if there is one.")
    recipe: Recipe = Field(Recipe(), description="The base recipe, of which the experiments' recipes are variations.")
    training: Training = Field(Training(), description="How training goes about its runs.")
    experiments: Experiments = Field(
        Experiments(), description="The experiments to make, with their settings; all of them where none is named."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Configuration:
        if self.name == "published":
            raise ValueError("name: `published` is kept for the tables that ship with the package; choose another name")
        for experiment in self.chosen:
            settings = self.settings_of(experiment)
            for share in getattr(settings, "after", []):
                if share and share not in self.training.keep:
                    kept = ", ".join(f"{each:g}" for each in (0, *self.training.keep))
                    raise ValueError(
                        f"experiments.{experiment}.after: networks are not kept after a share {share:g} of training; "
                        f"choose from {kept}, or add it to training.keep"
                    )
            recipes = self.recipes_of(experiment)
            layers = [getattr(settings, "layer", None) or 1, *(getattr(settings, "layers", None) or [])]
            for recipe in recipes.values():
                for layer in layers:
                    if layer >= recipe.depth:
                        raise ValueError(
                            f"experiments.{experiment}: layer {layer} is not a convolution of a network of depth "
                            f"{recipe.depth}; choose 1 to {recipe.depth - 1}, or null for the paper's place"
                        )
        return self

    @property
    def results_folder(self) -> Path:
        """Where tables go: `results/<name>` in the current folder."""
        return Path("results") / self.name

    @property
    def figures_folder(self) -> Path:
        """Where figures go: `paper_figures/<name>` in the current folder."""
        return Path("paper_figures") / self.name

    def table_file(self, experiment: str) -> Path:
        """Where an experiment's table is."""
        known = catalogue.entry(experiment)
        return self.results_folder / f"{known.name}.{known.table}"

    def history_file(self, run: str) -> Path:
        """Where the history of a run is."""
        return self.results_folder / "training" / f"{run}.parquet"

    def networks_file(self, run: str, share: float) -> Path:
        """Where training keeps all networks of a run after a share of the cycle."""
        return self.results_folder / "networks" / run / f"after{share:g}.pt"

    def images_file(self, images: Images) -> Path:
        """Which file says that images are ready."""
        return self.results_folder / "images" / f"{images.digest}.json"

    @property
    def chosen(self) -> list[str]:
        """Names of the experiments that this configuration makes: those it names, or all."""
        named_ones = self.experiments.model_fields_set
        return [name for name in catalogue.entries() if name in named_ones or not named_ones]

    def settings_of(self, experiment: str) -> Any:
        """The settings of an experiment, by its name."""
        return getattr(self.experiments, experiment)

    def recipes_of(self, experiment: str) -> dict[str, Recipe]:
        """The recipes that an experiment looks at, by name; empty where it looks at no networks."""
        settings = self.settings_of(experiment)
        if not isinstance(settings, NetworkSettings | TrainingSettings):
            return {}
        trained = isinstance(settings, TrainingSettings) or settings.trains or any(settings.after)
        return named(self.recipe, settings.recipes, trained, f"experiments.{experiment}.recipes")

    def needs_training(self, experiment: str) -> bool:
        """Whether an experiment looks at histories or at trained networks."""
        settings = self.settings_of(experiment)
        return isinstance(settings, TrainingSettings) or any(getattr(settings, "after", []))

    @property
    def runs(self) -> dict[str, Run]:
        """What is trained: the union of what the chosen experiments ask for, by name, each recipe once."""
        found: dict[str, Run] = {}
        for experiment in self.chosen:
            if self.needs_training(experiment):
                for name, recipe in self.recipes_of(experiment).items():
                    seeds = max(self.settings_of(experiment).seeds, found[name].seeds if name in found else 0)
                    found[name] = Run(name, recipe, seeds)
        return found

    def run(self, name: str) -> Run:
        """One of `runs`, by its name. Raises `UserError` when no chosen experiment asks for it."""
        if name not in self.runs:
            known = ", ".join(self.runs) or "nothing"
            raise UserError(f"No experiment of this configuration trains '{name}'; they train {known}.")
        return self.runs[name]

    def part_of(self, experiment: str) -> dict[str, Any]:
        """The settings on which an experiment depends, as plain JSON types; its table's provenance keeps them.

        Recipes are whole, so that what matters of the base recipe is in them; of untrained networks what decides
        training alone has its default.
        """
        settings = self.settings_of(experiment)
        recipes = self.recipes_of(experiment)
        part = {
            "name": self.name,
            "experiment": experiment,
            "settings": settings.model_dump(mode="json", exclude={"recipes"}),
        }
        if not recipes:
            return part
        return part | {
            "device": self.device,
            "trained": self.needs_training(experiment),
            "recipes": {name: recipe.decides for name, recipe in recipes.items()},
        }

    def part_of_run(self, run: Run) -> dict[str, Any]:
        """The settings on which the training of a run depends, as plain JSON types."""
        return {
            "name": self.name,
            "device": self.device,
            "keep": self.training.keep,
            "run": run.name,
            "recipe": run.recipe.decides,
            "seeds": run.seeds,
        }

    def resolved(self) -> dict[str, Any]:
        """Every setting with its value, as plain JSON types; of the experiments, the chosen ones."""
        settings = self.model_dump(mode="json")
        settings["experiments"] = {name: settings["experiments"][name] for name in self.chosen}
        return settings


def validate(settings: object) -> Configuration:
    """A `Configuration` from nested plain mappings, as read from YAML.

    Raises `UserError` naming the key's path, what is wrong with it and what is allowed.
    """
    if not isinstance(settings, dict):
        raise UserError("The configuration must be a mapping of settings, like `name: quick`.")
    if not settings:
        raise UserError("There is no configuration; add one, like --configfile config/quick.yaml.")
    try:
        return Configuration.model_validate(settings)
    except ValidationError as error:
        raise UserError(
            "Configuration: " + "; ".join(explain(detail, Configuration) for detail in error.errors())
        ) from None


def load(overlays: list[str]) -> Configuration:
    """The configuration that results from laying several files over each other, the last one on top.

    Each overlay is the path of a YAML file, or a YAML mapping itself (`{recipe: {depth: 20}}`). Mappings are merged
    key by key, lists replaced, as Snakemake does with several `--configfile`. Raises `UserError` when one cannot be
    read or the result is not a valid configuration.
    """
    merged: dict[str, Any] = {}
    for overlay in overlays:
        inline = overlay.lstrip().startswith("{")
        where = "The configuration given inline" if inline else f"Configuration file {overlay}"
        try:
            content = overlay if inline else Path(overlay).read_text(encoding="utf-8")
            settings = _parsed(content)
            json.dumps(settings, default=str, skipkeys=True)  # an alias inside itself, or a number of 5000 digits
        except OSError as error:
            raise UserError(f"{where} cannot be read ({error.strerror}); check the path.") from None
        except Exception as error:  # PyYAML meets what is wrong in many ways
            place = " ".join(str(error).split())
            raise UserError(f"{where} is not valid YAML: {place}.") from None
        if not isinstance(settings, dict):
            raise UserError(f"{where} must be a mapping of settings, like `name: quick`.")
        merged = _merged(merged, settings)
    return validate(merged)


def _parsed(content: str) -> Any:
    """What a text of YAML, or JSON, says. JSON is read as such: to YAML 1.1 its 1e-05 would be a word."""
    try:
        return json.loads(content)
    except ValueError:
        return yaml.safe_load(content)


def _merged(below: Any, above: Any) -> Any:
    """`above` laid over `below`, key by key where both are mappings; changes neither: YAML's aliases share values."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}
