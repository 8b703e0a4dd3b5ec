"""One module per item of the paper.

Each has five parts, and nothing else in the tree changes when one is added, beside its line in `repro/config.py`:

- `COLUMNS`: the table's columns and what they mean, with units; columns of text are named in `TEXT` below;
- `measure(configuration) -> DataFrame`: the tidy table;
- `summarise(table) -> DataFrame`: the few numbers a reader wants, published ones beside measured ones;
- `plot(table) -> Figure`: the figure, laid out like the paper's;
- `CLAIMS`: what the paper claims about it and the tests that decide.
"""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype

from repro import dependencies, tables
from repro.claims import Claim
from repro.config import Configuration, experiment_entry
from repro.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Columns that may hold text, and columns of whole numbers, in all tables. Others hold numbers, which may be missing or
# infinite where float32 overflows.
TEXT = frozenset({"condition", "initialisation", "kind", "normalisation", "sample", "status"})
# fmt: off
WHOLE = frozenset(
    {
        "channel", "channels", "channels_in", "channels_out", "class", "constant_channels", "depth", "dimension",
        "draw", "epoch", "epochs", "factors", "image", "input_channel", "label", "layer", "matrices", "mini_batch",
        "output_channel", "probe", "seed", "side", "size", "step", "steps", "stride", "summands", "width", "x", "y"
    }
)
# fmt: on


class Experiment(Protocol):
    """What a module in this folder provides."""

    COLUMNS: Mapping[str, str]
    CLAIMS: list[Claim]

    def measure(self, configuration: Configuration) -> pd.DataFrame:
        """The tidy table with `COLUMNS`."""

    def summarise(self, table: pd.DataFrame) -> pd.DataFrame:
        """Few rows: measured and published values in separate columns."""

    def plot(self, table: pd.DataFrame) -> "Figure":
        """The figure."""


def experiment(name: str, step: dependencies.Step) -> Experiment:
    """What `step` uses of the experiment's module, by its name or item. Raises `UserError` when there is none.

    Only that part is executed. It is what the workflow watches for edits, so nothing else can decide the outcome; and
    what only measuring needs is not imported to draw, which saves PyTorch's three seconds.
    """
    path = Path(__file__).with_name(f"{experiment_entry(name)['name']}.py")
    module = ModuleType(f"{__name__}.{path.stem}")
    part = dependencies.part(path.read_text(encoding="utf-8"), dependencies.PARTS[step], str(path))
    exec(compile(part, path, "exec"), vars(module))
    return cast(Experiment, module)


def read_table(folder: Path, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """An experiment's table from a folder, and its provenance.

    Raises `UserError` when it cannot be read, is empty, or is not of this experiment as it is measured now: other
    columns, or text where numbers belong.
    """
    entry = experiment_entry(name)
    path = folder / f"{entry['name']}.{entry['table']}"
    table, provenance = tables.read(path)
    again = f"measure {entry['name']} again."
    if list(table.columns) != list(experiment(name, "judge").COLUMNS):
        raise UserError(f"{path} does not have the columns of {entry['name']} as it is measured now; {again}")
    if table.empty:
        raise UserError(f"{path} has no rows; {again}")
    for column, values in table.items():
        whole, text = column in WHOLE, column in TEXT
        if not (is_integer_dtype(values) or (is_float_dtype(values) and not whole) or (text and values.notna().all())):
            kind = "whole numbers" if whole else "text" if text else "numbers"
            raise UserError(f"{path}: column {column} does not hold {kind}; {again}")
    return table, provenance
