"""Reading and drawing the tables of a folder."""

from pathlib import Path

import pandas as pd
import pytest

from repro.experiments import measuring, showing
from repro.machine.errors import UserError
from repro.results import tables
from repro.settings.configuration import Configuration, validate


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """One whose two tables are measured, below an empty current folder."""
    monkeypatch.chdir(tmp_path)
    experiments = {"limiting_spectrum": {}, "condition_growth": {"sizes": [10], "factors": [1, 2, 4], "draws": 3}}
    made = validate({"name": "x", "experiments": experiments})
    for name in made.chosen:
        measuring.measure(made, name)
    return made


def test_what_is_shown_is_the_configurations_or_all_there_is(configuration: Configuration, tmp_path: Path):
    folder = configuration.results_folder
    assert showing.shown_from(folder) == ["limiting_spectrum", "condition_growth"]
    fewer = validate({"name": "x", "experiments": {"limiting_spectrum": {}}})
    assert showing.shown_from(folder, fewer) == ["limiting_spectrum"]
    with pytest.raises(UserError, match="nowhere holds no experiment's table; measure one or name another folder"):
        showing.shown_from(tmp_path / "nowhere")


def test_tables_of_other_settings_are_refused_whatever_was_changed(configuration: Configuration):
    folder = configuration.results_folder
    assert showing.read(folder, "fig8", configuration)[1]["settings"] == configuration.part_of("limiting_spectrum")
    for change in ({"name": "y"}, {"experiments": {"limiting_spectrum": {"factors": [1]}}}):
        other = validate({"name": "x", "experiments": {"limiting_spectrum": {}}} | change)
        with pytest.raises(UserError, match="was measured under other settings than the configuration's; measure lim"):
            showing.read(folder, "fig8", other)


def test_a_table_of_older_columns_is_refused(configuration: Configuration):
    path = configuration.table_file("limiting_spectrum")
    table, provenance = tables.read(path)
    columns = {f"old_{name}": column for name, column in showing.catalogue.entry("fig8").columns.items()}
    tables.write(path, table.set_axis(list(columns), axis=1), columns, provenance)
    with pytest.raises(UserError, match="does not have the columns of limiting_spectrum as it is measured now"):
        showing.read(configuration.results_folder, "fig8")


def test_a_summary_lists_the_checksums_of_its_figures(configuration: Configuration, tmp_path: Path):
    figure = showing.show(configuration.results_folder, tmp_path / "figures", "condition_growth", configuration)
    assert figure == tmp_path / "figures" / "condition_number.pdf"
    said = figure.with_suffix(".md").read_text()
    for suffix in ("pdf", "svg", "png"):
        assert f"  condition_number.{suffix}\n" in said
    assert "<h1>condition_number: condition growth</h1>" in figure.with_suffix(".html").read_text()


def test_what_looks_at_nothing_says_so_in_its_provenance(configuration: Configuration):
    table, provenance = tables.read(configuration.table_file("condition_growth"))
    assert isinstance(table, pd.DataFrame)
    assert provenance["data"] is None
    assert provenance["device"].endswith(" CPU")
