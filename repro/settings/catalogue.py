"""Which experiments there are: the folders of `repro/experiments`, in the paper's order.

An experiment's `settings.py` has `ITEM`, the figure or table it makes, like `fig5`; `TABLE`, its table's file format;
`COLUMNS`; and `Settings`.
"""

import functools
import importlib
import re
from dataclasses import dataclass

from repro.machine.errors import UserError
from repro.settings.experiment import NETWORK_COLUMNS, Column, NetworkSettings
from repro.settings.types import PACKAGE, Section


@dataclass(frozen=True)
class Entry:
    """What the rest of the package knows of an experiment."""

    name: str  # of its folder
    item: str
    table: str  # `csv` or `parquet`
    columns: dict[str, Column]  # of the whole table
    settings: type[Section]


@functools.cache
def entries() -> dict[str, Entry]:
    """All experiments by name: figures, then tables, then what the paper does not have, each in natural order."""
    found = {}
    for path in (PACKAGE / "experiments").glob("*/settings.py"):
        name = path.parent.name
        module = importlib.import_module(f"repro.experiments.{name}.settings")
        columns = dict(module.COLUMNS)
        if issubclass(module.Settings, NetworkSettings):
            columns = NETWORK_COLUMNS | columns
        found[name] = Entry(name, module.ITEM, module.TABLE, columns, module.Settings)
    return dict(sorted(found.items(), key=lambda pair: _place(pair[1].item)))


def _place(item: str) -> tuple[int, int, str]:
    numbered = re.fullmatch(r"(fig|table)(\d+)", item)
    if numbered is None:
        return 2, 0, item
    return ("fig", "table").index(numbered[1]), int(numbered[2]), item


def entry(name: str) -> Entry:
    """An experiment by its name or item. Raises `UserError` when there is no such experiment."""
    for found in entries().values():
        if name in (found.name, found.item):
            return found
    known = ", ".join(f"{found.name} ({found.item})" for found in entries().values())
    raise UserError(f"There is no experiment '{name}'; the experiments are {known}.")
