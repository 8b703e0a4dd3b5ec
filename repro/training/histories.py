"""The histories that training writes, those of several runs together."""

from typing import Any

import pandas as pd

from repro.machine.errors import UserError
from repro.results import tables
from repro.settings.configuration import Configuration
from repro.settings.experiment import HISTORY_COLUMNS


def gather(configuration: Configuration, experiment: str) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """The histories that an experiment asks for, below each other, and by run where its networks come from.

    Of each run the experiment's number of seeds, though more may have been trained for others. The second value is
    what the provenances say beside the settings: images, device, revision, versions, weights. Raises `UserError` when
    a run is not trained yet, was trained under other settings, or on other images than
    another run with the same settings of images.
    """
    seeds = configuration.settings_of(experiment).seeds
    found, origins = [], {}
    seen: dict[str, tuple[str, str]] = {}  # settings of images -> their checksum, and the run that saw them
    for name, recipe in configuration.recipes_of(experiment).items():
        where = configuration.history_file(name)
        if not where.exists():
            raise UserError(f"{where} is missing; train it with `python -m repro train {name}`.")
        table, provenance = tables.read(where)
        tables.check(where, table, HISTORY_COLUMNS)
        if provenance.get("settings") != configuration.part_of_run(configuration.run(name)):
            raise UserError(f"{where} was trained under other settings; `python -m repro train {name}` again.")
        checksum, other = seen.setdefault(recipe.images.digest, (provenance["data"]["checksum"], name))
        if provenance["data"]["checksum"] != checksum:
            raise UserError(
                f"{name} and {other} were trained on different images; `python -m repro train` each again: "
                "what was trained on the present ones is kept."
            )
        found.append(table[table["seed"] < seeds])
        origins[name] = {key: value for key, value in provenance.items() if key != "settings"}
    return pd.concat(found, ignore_index=True), origins
