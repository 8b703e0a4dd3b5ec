"""Showing experiments: figure and numbers from the tables of a folder."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.results import sources, tables
from repro.settings import catalogue
from repro.settings.configuration import Configuration


def read(
    folder: Path, experiment: str, configuration: Configuration | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """An experiment's table from a folder, and its provenance.

    Raises `UserError` when it cannot be read, is empty, is not of this experiment as it is measured now, or was
    measured under other settings than those of `configuration`, where there is one.
    """
    known = catalogue.entry(experiment)
    path = folder / f"{known.name}.{known.table}"
    table, provenance = tables.read(path)
    tables.check(path, table, known.columns)
    if configuration is not None and provenance.get("settings") != configuration.part_of(known.name):
        raise UserError(
            f"{path} was measured under other settings than the configuration's; measure {known.name} again."
        )
    return table, provenance


def show(folder: Path, figures: Path, experiment: str, configuration: Configuration | None = None) -> Path:
    """Draw an experiment's figure from its table in `folder`, and write its summary beside it; returns the PDF."""
    from repro.results import style

    known = catalogue.entry(experiment)
    table, provenance = read(folder, known.name, configuration)
    source = sources.source_line(known.name, provenance)
    shown = importlib.import_module(f"repro.experiments.{known.name}.show")
    summary, figure = shown.summarise(table), shown.plot(table)
    checksums = style.save(figure, figures, known.item, source)
    title = f"{known.item}: {known.name.replace('_', ' ')}"
    _write_summary(figures / f"{known.item}.md", title, source, summary, checksums)
    return figures / f"{known.item}.pdf"


def shown_from(folder: Path, configuration: Configuration | None = None) -> list[str]:
    """Names of the configuration's experiments, or of all whose tables are in a folder.

    Raises `UserError` when there is none.
    """
    if configuration is not None:
        return configuration.chosen
    names = [name for name, known in catalogue.entries().items() if (folder / f"{name}.{known.table}").exists()]
    if not names:
        raise UserError(f"{folder} holds no experiment's table; measure one or name another folder with --tables.")
    return names


def _write_summary(path: Path, title: str, source: str, table: pd.DataFrame, checksums: Mapping[str, str]) -> None:
    """A summary as Markdown, for people and repositories, and beside it as HTML, for the report.

    `checksums`, by file name, are listed as `sha256sum --check` reads them.
    """
    lines = "\n".join(f"{checksum}  {name}" for name, checksum in checksums.items())
    content = f"# {title}\n\n{source}\n\n{tables.markdown(table)}\n\n```\n{lines}\n```\n"
    write_atomically(path, content.encode())
    write_atomically(path.with_suffix(".html"), tables.page(title, source, table).encode())
