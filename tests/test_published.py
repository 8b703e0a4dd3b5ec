"""The tables that ship with the package: undamaged, documented, and all of the paper's items among them."""

import hashlib
from pathlib import Path

import pytest
from pandas.api.types import is_integer_dtype

from repro import config, tables
from repro.experiments import WHOLE, read_table

PUBLISHED = Path(tables.__file__).parents[1] / "results" / "published"
FIGURES = Path(tables.__file__).parents[1] / "paper_figures" / "published"


SHIPPED = [name for name in config.experiment_names() if (PUBLISHED / f"{name}.json").exists()]


def test_every_item_of_the_paper_is_shipped():
    items = {config.experiment_entry(name)["item"] for name in SHIPPED}
    assert {"table1", *(f"fig{number}" for number in range(1, 10))} <= items
    assert {path.stem for path in PUBLISHED.glob("*.json")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_published_table_is_whole_and_says_where_it_comes_from(name):
    entry = config.experiment_entry(name)
    table, provenance = read_table(PUBLISHED, name)
    # What is checked of a column's type goes by its name.
    assert {column for column in table if is_integer_dtype(table[column])} <= WHOLE
    assert provenance["settings"]["experiments"][name] is not None
    assert len(provenance["revision"]) == 40, "measured with uncommitted changes"
    if entry["needs"] == "nothing":
        assert provenance["data"] is None
    else:
        assert provenance["data"]["name"].startswith("CIFAR-10")
        assert len(provenance["data"]["checksum"]) == 64
    if entry["needs"] in ("network", "steps"):
        assert provenance["settings"]["network"]["depth"] == 110
        assert provenance["settings"]["batch_size"] == 128


@pytest.mark.parametrize("name", SHIPPED)
def test_published_figures_are_those_that_were_drawn(name):
    item = config.experiment_entry(name)["item"]
    listed = dict(line.split()[::-1] for line in (FIGURES / f"{item}.md").read_text().split("```\n")[1].splitlines())
    assert set(listed) == {f"{item}.{suffix}" for suffix in ("pdf", "svg", "png")}
    for file, checksum in listed.items():
        assert hashlib.sha256((FIGURES / file).read_bytes()).hexdigest() == checksum, file


def test_table_1_comes_out_on_real_images():
    table, _ = tables.read(PUBLISHED / "input_independence.csv")
    medians = table.groupby(["normalisation", "layer"])[["a", "b", "ratio"]].median()
    recalled = {18: (7.5e-5, 3.0e-7), 54: (1.9e-5, 1.7e-7), 90: (6.6e-6, 1.6e-7)}
    for layer, (a, b) in recalled.items():
        assert 1 / 3 < medians.loc[("batch", layer), "a"] / a < 3
        assert 1 / 3 < medians.loc[("batch", layer), "b"] / b < 3
        assert 1 < medians.loc[("none", layer), "ratio"] < 6
