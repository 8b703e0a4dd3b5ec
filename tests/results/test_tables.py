"""Tables come back as they were written, or not at all."""

import json
import math
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.machine.errors import UserError
from repro.results import tables
from repro.settings.experiment import Column, number, text, whole

COLUMNS = {
    "layer": whole("number of the layer"),
    "value": number("mean, no unit"),
    "name": text("what was measured"),
}


def example() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "layer": [1, 2, 3, 4],
            "value": [0.1 + 0.2, 5e-324, math.nan, math.inf],
            "name": ["plain", "a,b", 'quo"te', "ü|x"],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, suffix: str):
    path = tmp_path / f"values.{suffix}"
    tables.write(path, example(), COLUMNS, {"seconds": 1.5})
    table, provenance = tables.read(path)
    pd.testing.assert_frame_equal(table, example(), check_exact=True)
    assert provenance == {"seconds": 1.5}
    companion = json.loads((tmp_path / "values.json").read_text())
    meanings = {name: column.meaning for name, column in COLUMNS.items()}
    assert (companion["rows"], companion["columns"]) == (4, meanings)
    tables.check(path, table, COLUMNS)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_every_double_survives_a_csv(tmp_path_factory, values: list[float]):
    path = tmp_path_factory.mktemp("doubles") / "values.csv"
    tables.write(path, pd.DataFrame({"value": values}), {"value": number("any")}, {})
    assert tables.read(path)[0]["value"].tolist() == values


def test_columns_must_be_documented(tmp_path: Path):
    with pytest.raises(ValueError, match="are not the documented"):
        tables.write(tmp_path / "values.csv", example(), {"layer": whole("number")}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_any_changed_byte_is_found(tmp_path: Path, record_property: Callable[[str, object], None], suffix: str):
    path = tmp_path / f"values.{suffix}"
    tables.write(path, example(), COLUMNS, {})
    content = path.read_bytes()
    places = range(0, len(content), max(1, len(content) // 50))
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(UserError, match="checksum differs"):
            tables.read(path)
    record_property("flipped bytes found", len(places))


@pytest.mark.parametrize("companion", ["", "{", "[]", "null", "{}", '{"sha256": 1}'])
def test_a_damaged_companion_is_named(tmp_path: Path, companion: str):
    path = tmp_path / "values.csv"
    tables.write(path, example(), COLUMNS, {})
    path.with_suffix(".json").write_text(companion)
    with pytest.raises(UserError, match=r"values\.json is damaged"):
        tables.read(path)


def test_any_changed_setting_of_a_companion_is_found(tmp_path: Path):
    path = tmp_path / "values.csv"
    tables.write(path, example(), COLUMNS, {"seeds": 20})
    companion = path.with_suffix(".json").read_text()
    path.with_suffix(".json").write_text(companion.replace("20", "30"))
    with pytest.raises(UserError, match=r"values\.json is damaged"):
        tables.read(path)


def test_a_table_under_another_name_is_refused(tmp_path: Path):
    tables.write(tmp_path / "values.csv", example(), COLUMNS, {})
    for suffix in ("csv", "json"):
        (tmp_path / f"values.{suffix}").rename(tmp_path / f"others.{suffix}")
    with pytest.raises(UserError, match=r"others\.csv was written as values\.csv"):
        tables.read(tmp_path / "others.csv")


@pytest.mark.parametrize("lost", ["values.csv", "values.json"])
def test_a_missing_file_is_named(tmp_path: Path, lost: str):
    tables.write(tmp_path / "values.csv", example(), COLUMNS, {})
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match=rf"{lost} cannot be read .*measure it again"):
        tables.read(tmp_path / "values.csv")


def test_a_table_of_another_program_is_refused(tmp_path: Path):
    path = tmp_path / "values.csv"
    tables.write(path, example(), COLUMNS, {})
    companion = json.loads(path.with_suffix(".json").read_text())
    del companion["companion_sha256"]
    companion["columns"] = {"other": "column"}
    companion["companion_sha256"] = tables._digest(companion)
    path.with_suffix(".json").write_text(json.dumps(companion))
    with pytest.raises(UserError, match="other columns or rows than"):
        tables.read(path)


def test_provenance_says_where_a_table_comes_from():
    provenance = tables.provenance({"name": "x"}, None, "a device", 1.234)
    assert provenance["settings"] == {"name": "x"}
    assert provenance["data"] is None
    assert provenance["device"] == "a device"
    assert provenance["seconds"] == 1.2
    assert set(provenance["libraries"]) == set(tables.LIBRARIES)
    json.dumps(provenance)


def test_the_revision_is_that_of_git(tmp_path: Path):
    folder = Path(tables.__file__).parent
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    expected = head.stdout.strip() if head.returncode == 0 else "unknown"
    assert tables.revision().removesuffix("-modified") == expected


# --- what a table holds ---


def checked(column: Column, values: object) -> bool:
    """Whether a table with one column of these values passes."""
    try:
        tables.check(Path("values.csv"), pd.DataFrame({"x": values}), {"x": column})
    except UserError:
        return False
    return True


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ([1, 2], {"whole", "number"}),
        (np.array([1, 2], dtype=np.uint8), {"whole", "number"}),
        ([1.0, 2.0], {"number"}),
        ([1.0, math.nan, math.inf], {"number"}),
        ([math.nan, math.nan], {"number"}),
        (np.array([1, 2], dtype=np.float32), {"number"}),
        (["a", "b"], {"text"}),
        (["", "1"], {"text"}),
        (["a", None], set()),
        ([True, False], set()),
        (["a", 1], set()),
        ([1 + 2j], set()),
        (pd.to_datetime(["2001-01-01"]), set()),
    ],
)
def test_columns_are_of_their_kind(values: object, kinds: set[str]):
    found = {kind for kind in ("whole", "number", "text") if checked(Column("any", kind), values)}
    assert found == kinds


def test_a_column_of_another_kind_is_named():
    with pytest.raises(UserError, match=r"^values\.csv: column x does not hold whole numbers; measure values again\.$"):
        tables.check(Path("values.csv"), pd.DataFrame({"x": [0.5]}), {"x": whole("any")})


def test_a_table_without_rows_or_with_other_columns_is_refused():
    columns = {"x": number("any"), "y": number("any")}
    with pytest.raises(UserError, match=r"values\.csv has no rows; measure values again"):
        tables.check(Path("values.csv"), pd.DataFrame({"x": [], "y": []}), columns)
    for other in ({"x": [1.0]}, {"y": [1.0], "x": [1.0]}, {"x": [1.0], "y": [1.0], "z": [1.0]}):
        with pytest.raises(UserError, match="does not have the columns of values as it is measured now; measure"):
            tables.check(Path("values.csv"), pd.DataFrame(other), columns)


# --- pages ---


def test_markdown_rounds_and_escapes():
    text = tables.markdown(pd.DataFrame({"a": [1.23456, math.nan], "b": ["x|y", 7]}))
    assert text == "| a | b |\n| --- | --- |\n| 1.23 | x\\|y |\n| - | 7 |"


class Cells(HTMLParser):
    """The texts of a page's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.cells: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


def test_a_page_shows_the_same_cells_as_markdown():
    statement = " and ".join(["gains at small & large rates, <b>whatever</b>"] * 5)
    page = tables.page("fig1: <title>", "source & line", pd.DataFrame({"a": [1.23456, np.nan], "b": [statement, "y"]}))
    parser = Cells()
    parser.feed(page)
    assert parser.cells == ["a", "b", "1.23", statement, "-", "y"]
    assert "fig1: &lt;title&gt;" in page
    assert "source &amp; line" in page
