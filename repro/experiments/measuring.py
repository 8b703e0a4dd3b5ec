"""Measuring an experiment's table: what it looks at is found or loaded, measured, and written with its provenance."""

import importlib
import platform
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from repro.machine import locks
from repro.machine.errors import UserError
from repro.machine.progress import track
from repro.results import tables
from repro.settings.catalogue import Entry, entry
from repro.settings.configuration import Configuration
from repro.settings.experiment import NetworkSettings, OutcomeSettings, TrainingSettings

# torch takes seconds to import, and what looks at no network does not need it.


def measure(configuration: Configuration, experiment: str, wait: bool = False, folder: Path | None = None) -> Path:
    """Measure an experiment, by its name or item, under a configuration; returns the path of the table.

    The table goes to `folder`, by default the configuration's. Raises `UserError` when there is no such experiment,
    when what it looks at is not trained yet or diverged altogether, or, unless told to `wait` for its end, while
    another process measures it.
    """
    known = entry(experiment)
    folder = folder or configuration.results_folder
    with locks.alone(folder / f".{known.name}.lock", f"{known.name} is being measured", wait):
        start = time.monotonic()
        settings = configuration.settings_of(known.name)
        if isinstance(settings, NetworkSettings):
            table, origin = _of_networks(configuration, known)
        elif isinstance(settings, TrainingSettings):
            table, origin = _of_histories(configuration, known)
        else:
            table = importlib.import_module(f"repro.experiments.{known.name}.measure").measure(settings)
            origin = {"data": None, "device": f"{platform.machine()} CPU"}
        seconds = time.monotonic() - start + sum(one["seconds"] for one in origin.get("trained", {}).values())
        data, device = origin.pop("data"), origin.pop("device")
        provenance = tables.provenance(configuration.part_of(known.name), data, device, seconds) | origin
        path = folder / configuration.table_file(known.name).name
        tables.write(path, table[list(known.columns)], known.columns, provenance)
    return path


def _of_networks(configuration: Configuration, known: Entry) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`measure` of each network that the experiment looks at, and where they come from."""
    from repro.machine import devices
    from repro.training import histories, snapshots

    measure_one = importlib.import_module(f"repro.experiments.{known.name}.measure").measure
    settings = configuration.settings_of(known.name)
    device = devices.prepare(configuration.device)
    count = settings.seeds * len(configuration.recipes_of(known.name)) * len(settings.after)
    origin: dict[str, Any] = {}
    if configuration.needs_training(known.name):
        # First of all, so that it is said at once what is not trained or was under other settings.
        _, origin["trained"] = histories.gather(configuration, known.name)
    parts, diverged = [], []
    images: dict[str, str] = {}
    for name, seed, after, snapshot in track(snapshots.wanted(configuration, known.name, device), "networks", count):
        if snapshot is None:
            diverged.append(f"{name}, seed {seed}, after {after:g}")
            continue
        images[snapshot.data.checksum] = snapshot.data.name
        keys = {
            "recipe": name,
            "normalisation": snapshot.recipe.normalisation_label,
            "after": after,
            "seed": seed,
        }
        parts.append(measure_one(snapshot, settings).assign(**keys))
    if not parts:
        raise UserError(
            f"All networks that {known.name} looks at had diverged by then; lower their learning rate, or look at them "
            f"earlier (experiments.{known.name}.after)."
        )
    if diverged:
        origin["diverged"] = diverged
        print(f"Diverged before they could be looked at: {'; '.join(diverged)}.", file=sys.stderr)
    origin["data"] = {"name": "; ".join(images.values()), "checksum": "; ".join(images)}
    origin["device"] = devices.describe(device)
    return pd.concat(parts, ignore_index=True), origin


def _of_histories(configuration: Configuration, known: Entry) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`measure` of the trainings that the experiment asks for, or how they ended, and where these come from."""
    from repro.training import histories, outcomes

    history, trained = histories.gather(configuration, known.name)
    settings = configuration.settings_of(known.name)
    if isinstance(settings, OutcomeSettings):
        table = outcomes.outcomes(history, configuration.recipes_of(known.name), settings.factors)
    else:
        table = importlib.import_module(f"repro.experiments.{known.name}.measure").measure(history, settings)
    images = {one["data"]["checksum"]: one["data"]["name"] for one in trained.values()}
    return table, {
        "data": {"name": "; ".join(images.values()), "checksum": "; ".join(images)},
        "device": ", ".join(sorted({one["device"] for one in trained.values()})),
        "trained": trained,
    }
