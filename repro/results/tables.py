"""Reading and writing results: a table, what its columns mean, and where it comes from.

Beside `name.csv` or `name.parquet` stands `name.json` with the columns' meanings and units, the provenance, the
table's SHA-256 and its own. Both are written atomically, the table first: a table without a matching companion is
never read.
"""

import functools
import hashlib
import html
import json
import math
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype

import repro
from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.settings.experiment import Column

# What a companion holds, and of which type.
COMPANION = {"table": str, "rows": int, "sha256": str, "columns": dict, "provenance": dict}
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas")


def write(path: Path, table: pd.DataFrame, columns: Mapping[str, Column], provenance: Mapping[str, Any]) -> None:
    """Write a tidy table as CSV or Parquet, by the path's ending, and its companion.

    `columns` describes each column of `table`, in order. Raises `ValueError` when the two differ.
    """
    if list(table.columns) != list(columns):
        raise ValueError(f"{path.name}: columns {list(table.columns)} are not the documented {list(columns)}")
    # Digits that read back as the same double, and one line ending everywhere.
    content = (
        table.to_csv(index=False, lineterminator="\n").encode()
        if path.suffix == ".csv"
        else table.to_parquet(index=False, compression="zstd")
    )
    companion = {
        "table": path.name,
        "rows": len(table),
        "sha256": hashlib.sha256(content).hexdigest(),
        "columns": {name: column.meaning for name, column in columns.items()},
        "provenance": dict(provenance),
    }
    companion["companion_sha256"] = _digest(companion)
    write_atomically(path, content)
    write_atomically(path.with_suffix(".json"), (json.dumps(companion, indent=2) + "\n").encode())


def _digest(companion: Mapping[str, Any]) -> str:
    """SHA-256 of a companion's content, whatever its layout."""
    return hashlib.sha256(json.dumps(companion, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table and its provenance.

    Raises `UserError` when the table or its companion is missing or damaged, or when they are not a pair: the table
    is not the one that was written, or was written under another name.
    """
    described = path.with_suffix(".json")
    try:
        content = path.read_bytes()
        companion = json.loads(described.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); measure it again.") from None
    except (ValueError, RecursionError):
        companion = None
    damaged = UserError(f"{described} is damaged; delete it and measure {path.stem} again.")
    if not isinstance(companion, dict):
        raise damaged
    digest = companion.pop("companion_sha256", None)
    if {key: type(value) for key, value in companion.items()} != COMPANION or digest != _digest(companion):
        raise damaged
    if hashlib.sha256(content).hexdigest() != companion["sha256"]:
        raise UserError(
            f"{path} is not the table that was written (its checksum differs); delete it and measure {path.stem} again."
        )
    if companion["table"] != path.name:
        raise UserError(
            f"{path} was written as {companion['table']}; give it back its name, or measure {path.stem} again."
        )
    buffer = BytesIO(content)
    try:
        # Arrow reads every double as it was written; pandas' own parser was off by one unit in the last place until
        # 3.1.
        table = pd.read_csv(buffer, engine="pyarrow") if path.suffix == ".csv" else pd.read_parquet(buffer)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a table ({reason}); delete it and measure {path.stem} again.") from None
    if list(table.columns) != list(companion["columns"]) or len(table) != companion["rows"]:
        raise UserError(f"{path} has other columns or rows than {described} documents; measure it again.")
    return table, companion["provenance"]


def check(path: Path, table: pd.DataFrame, columns: Mapping[str, Column]) -> None:
    """That a table read from `path` has rows, and the columns that are documented, each of its kind.

    Raises `UserError` otherwise.
    """
    again = f"measure {path.stem} again."
    if list(table.columns) != list(columns):
        raise UserError(f"{path} does not have the columns of {path.stem} as it is measured now; {again}")
    if table.empty:
        raise UserError(f"{path} has no rows; {again}")
    for name, column in columns.items():
        values = table[name]
        fits = {
            "whole": is_integer_dtype(values),
            "number": is_integer_dtype(values) or is_float_dtype(values),
            "text": values.notna().all() and all(isinstance(value, str) for value in values.unique()),
        }
        if not fits[column.kind]:
            kind = {"whole": "whole numbers", "number": "numbers", "text": "text"}[column.kind]
            raise UserError(f"{path}: column {name} does not hold {kind}; {again}")


def provenance(
    settings: Mapping[str, Any], data: Mapping[str, Any] | None, device: str, seconds: float
) -> dict[str, Any]:
    """Everything needed to say where a table comes from.

    `settings` is the resolved part of the configuration that decides it, `data` the name and checksum of the images
    (None where there are none), `device` what computed it and `seconds` how long that took.
    """
    return {
        "settings": dict(settings),
        "data": dict(data) if data else None,
        "device": device,
        "seconds": round(seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "package": repro.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


@functools.cache
def revision() -> str:
    """The git revision of this package with `-modified` when its code differs from it, or `unknown`."""
    folder = Path(repro.__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("-modified" if changed else "")


def markdown(table: pd.DataFrame) -> str:
    """A small table as GitHub's Markdown, numbers to three significant digits, missing ones as a dash."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "-" if math.isnan(value) else f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
        return str(value).replace("|", "\\|")

    lines = [" | ".join(map(str, table.columns)), " | ".join(["---"] * len(table.columns))]
    lines += [" | ".join(cell(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def page(title: str, source: str, table: pd.DataFrame) -> str:
    """A small table as a self-contained HTML page, with numbers like `markdown`'s; the report shows it."""
    with pd.option_context("display.max_colwidth", None):
        body = table.to_html(index=False, border=0, na_rep="-", float_format="{:.3g}".format)
    style = (
        "body { font: 15px sans-serif; margin: 2em } td, th { padding: .3em .8em; text-align: left; "
        "vertical-align: top } th { border-bottom: 1px solid } tr:nth-child(even) { background: #f3f3f3 }"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    text = f"<h1>{html.escape(title)}</h1><p>{html.escape(source)}</p>{body}"
    return f"<!DOCTYPE html><html><head>{head}</head><body>{text}</body></html>\n"
