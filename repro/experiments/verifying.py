"""Measuring shipped tables again, under the settings in their provenance, and comparing value by value."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from repro.experiments import measuring, showing
from repro.machine.errors import UserError
from repro.results import tables
from repro.settings.catalogue import Entry, entry
from repro.settings.configuration import Configuration, validate

# Largest accepted difference of a number, relative to itself plus the middle of its column: rounding in double
# precision, and what another processor's order of summation in single precision becomes in a deep network.
TOLERANCE_ALONE, TOLERANCE_NETWORKS = 1e-9, 1e-2
SEEDS = 3  # of networks, so that it takes minutes


def verify(folder: Path, experiments: Sequence[str]) -> pd.DataFrame:
    """Measure the tables of `folder` again, of networks the first three seeds; one row per experiment and column.

    Raises `UserError` when a table or its images cannot be had, or was measured on trained networks.
    """
    return pd.concat([_verify_one(folder, entry(name)) for name in experiments], ignore_index=True)


def _verify_one(folder: Path, known: Entry) -> pd.DataFrame:
    shipped, provenance = showing.read(folder, known.name)
    configuration = _configuration(provenance["settings"])
    if configuration.needs_training(known.name):
        raise UserError(f"{known.name} looks at trained networks, which takes hours; verify another experiment.")
    with tempfile.TemporaryDirectory() as scratch:
        path = measuring.measure(configuration, known.name, folder=Path(scratch))
        measured, again = tables.read(path)
    if "recipe" in measured:
        # Named by what differs from a base that is not this configuration's.
        names = dict(zip(configuration.recipes_of(known.name), provenance["settings"]["recipes"], strict=True))
        measured["recipe"] = measured["recipe"].map(names)
    if again["data"] is not None and again["data"]["checksum"] != provenance["data"]["checksum"]:
        raise UserError(
            f"{known.name} was measured on other images than those at hand; see results/published/README.md."
        )
    if "seed" in shipped and configuration.recipes_of(known.name):
        shipped = shipped[shipped["seed"] < SEEDS].reset_index(drop=True)
    return compare(known, shipped, measured)


def _configuration(part: dict[str, Any]) -> Configuration:
    """The configuration under which a table was measured, from its provenance, with the first seeds alone."""
    settings: dict[str, Any] = dict(part["settings"])
    whole: dict[str, Any] = {"name": "verify", "device": "cpu", "experiments": {part["experiment"]: settings}}
    if "recipes" in part:
        whole["recipe"], *_ = part["recipes"].values()
        settings |= {"recipes": list(part["recipes"].values()), "seeds": min(SEEDS, settings["seeds"])}
    return validate(whole)


def compare(known: Entry, shipped: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Per column of numbers the largest difference, relative to the value plus the column's median size, and whether
    it is within the tolerance; text and whole numbers, which order the rows, have to be equal.
    """
    keys = [name for name, column in known.columns.items() if column.kind != "number" or name == "after"]
    numbers = [name for name in known.columns if name not in keys]
    order = [key for key in keys if key in shipped]
    if order:
        shipped, measured = (
            table.sort_values(order, kind="stable").reset_index(drop=True) for table in (shipped, measured)
        )
    if len(shipped) != len(measured) or not shipped[keys].equals(measured[keys]):
        raise UserError(f"{known.name} has other rows than the shipped table; it was measured by other code.")
    tolerance = TOLERANCE_NETWORKS if "recipe" in known.columns else TOLERANCE_ALONE
    rows = []
    for name in numbers:
        old, new = (table[name].to_numpy(dtype=float) for table in (shipped, measured))
        alike = np.isclose(old, new, rtol=0, atol=0, equal_nan=True)
        scale = np.abs(old) + np.nanmedian(np.abs(old[np.isfinite(old)]))
        difference = np.where(alike, 0.0, np.abs(new - old) / np.where(scale > 0, scale, 1))
        largest = float(np.nan_to_num(difference, nan=np.inf).max())
        rows.append((known.item, name, len(old), largest, tolerance, "yes" if largest <= tolerance else "NO"))
    return pd.DataFrame(rows, columns=["item", "column", "values", "largest difference", "tolerance", "within"])
