"""One module per item of the paper.

Each has five parts, and nothing else in the tree changes when one is added, beside its line in `repro/config.py`:

- `COLUMNS`: the table's columns and what they mean, with units;
- `measure(configuration) -> DataFrame`: the tidy table;
- `summarise(table) -> DataFrame`: the few numbers a reader wants, published ones beside measured ones;
- `plot(table) -> Figure`: the figure, laid out like the paper's;
- `CLAIMS`: what the paper claims about it and the tests that decide.
"""

import importlib
from collections.abc import Mapping
from typing import Protocol, cast

import pandas as pd
from matplotlib.figure import Figure

from repro.claims import Claim
from repro.config import Configuration, experiment_entry


class Experiment(Protocol):
    """What a module in this folder provides."""

    COLUMNS: Mapping[str, str]
    CLAIMS: list[Claim]

    def measure(self, configuration: Configuration) -> pd.DataFrame:
        """The tidy table with `COLUMNS`."""

    def summarise(self, table: pd.DataFrame) -> pd.DataFrame:
        """Few rows: measured and published values in separate columns."""

    def plot(self, table: pd.DataFrame) -> Figure:
        """The figure."""


def experiment(name: str) -> Experiment:
    """The experiment's module, by its name or item. Raises `UserError` when there is none."""
    module = importlib.import_module(f"{__name__}.{experiment_entry(name)['name']}")
    return cast(Experiment, module)
