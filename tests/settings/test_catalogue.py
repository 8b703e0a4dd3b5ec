"""Which experiments there are, and what each folder holds."""

import importlib
import re
from pathlib import Path

import pytest

from repro.machine.errors import UserError
from repro.settings.catalogue import Entry, entries, entry
from repro.settings.experiment import (
    HISTORY_COLUMNS,
    NETWORK_COLUMNS,
    NetworkSettings,
    OutcomeSettings,
    TrainingSettings,
    outcome_columns,
)

ROOT = Path(__file__).resolve().parents[2]


def test_an_unknown_experiment_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r"no experiment 'fig77'.*activation_growth \(fig5\)"):
        entry("fig77")


def test_experiments_are_found_by_name_and_item():
    for name, known in entries().items():
        assert entry(name) == entry(known.item) == known
        assert known.name == name
    items = [known.item for known in entries().values()]
    assert len({*items, *entries()}) == 2 * len(items)
    assert set(items) >= {f"fig{number}" for number in range(1, 10)} | {"table1"}


def test_experiments_are_in_the_papers_order():
    items = [known.item for known in entries().values()]
    assert items[:10] == [*(f"fig{number}" for number in range(1, 10)), "table1"]
    assert items[10:] == sorted(items[10:])


@pytest.mark.parametrize("known", entries().values(), ids=lambda known: known.name)
def test_every_experiment_keeps_its_contract(known: Entry):
    folder = ROOT / "repro/experiments" / known.name
    package = importlib.import_module(f"repro.experiments.{known.name}")
    assert re.search(rf"\bmeasure ({known.name}|{known.item})\b", package.__doc__ or "")
    assert (folder / "caption.rst").read_text(encoding="utf-8").strip()
    assert known.table in ("csv", "parquet")
    assert known.settings.__doc__
    assert known.settings()  # all has a default
    show = importlib.import_module(f"repro.experiments.{known.name}.show")
    parts = [show.summarise, show.plot]
    if issubclass(known.settings, OutcomeSettings):
        assert not (folder / "measure.py").exists()  # it would not be called
    else:
        parts.append(importlib.import_module(f"repro.experiments.{known.name}.measure").measure)
    for part in parts:
        assert part.__doc__, part


@pytest.mark.parametrize("known", entries().values(), ids=lambda known: known.name)
def test_every_column_and_setting_says_what_it_means(known: Entry):
    for name, column in known.columns.items():
        assert column.meaning.strip(), name
        assert column.kind in ("number", "whole", "text")
    for name, field in known.settings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("known", entries().values(), ids=lambda known: known.name)
def test_tables_of_networks_begin_with_which_one(known: Entry):
    if issubclass(known.settings, NetworkSettings):
        assert list(known.columns)[: len(NETWORK_COLUMNS)] == list(NETWORK_COLUMNS)
        assert len(known.columns) > len(NETWORK_COLUMNS)
    elif issubclass(known.settings, OutcomeSettings):
        assert known.columns == outcome_columns(*known.settings.factors)
    elif issubclass(known.settings, TrainingSettings):
        assert known.columns == HISTORY_COLUMNS
    else:
        assert "recipe" not in known.columns
