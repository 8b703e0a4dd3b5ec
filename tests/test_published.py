"""The tables that ship with the package: undamaged, documented, and all of the paper's items among them."""

import contextlib
import hashlib
import shutil
from pathlib import Path

import pytest

from repro import page
from repro.experiments import scoring, showing
from repro.results import tables
from repro.settings import catalogue
from tests.workflow.conftest import ROOT

PUBLISHED = ROOT / "results" / "published"
FIGURES = ROOT / "paper_figures" / "published"


SHIPPED = [name for name in catalogue.entries() if (PUBLISHED / f"{name}.json").exists()]


def test_every_item_of_the_paper_is_shipped():
    items = {catalogue.entry(name).item for name in SHIPPED}
    assert {"table1", *(f"fig{number}" for number in range(1, 10))} <= items
    assert {path.stem for path in PUBLISHED.glob("*.json")} == {*SHIPPED, *scoring.FILES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which scorecard and page are made again from the shipped tables and figures."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(PUBLISHED, folder / "results" / "published")
    shutil.copytree(FIGURES, folder / "paper_figures" / "published")
    with contextlib.chdir(folder):
        scoring.score(Path("results/published"))
        page.write(Path("results/published"), Path("paper_figures/published"), None)
    return folder


@pytest.mark.parametrize("name", [f"{name}.{suffix}" for name in scoring.FILES for suffix in ("csv", "json")])
def test_the_shipped_scorecard_is_that_of_the_shipped_tables(made: Path, name: str):
    assert (made / "results/published" / name).read_text() == (PUBLISHED / name).read_text(), "run `make figures`"


def test_the_shipped_page_is_that_of_the_shipped_scorecard_and_figures(made: Path):
    there = (made / "paper_figures/published/index.html").read_text()
    assert there == (FIGURES / "index.html").read_text(), "run `make figures`"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_published_table_is_whole_and_says_where_it_comes_from(name):
    table, provenance = showing.read(PUBLISHED, name)
    settings = provenance["settings"]
    assert settings["experiment"] == name
    assert len(provenance["revision"]) == 40, "measured with uncommitted changes"
    if "recipes" not in settings:
        assert provenance["data"] is None
        return
    assert provenance["data"]["name"].startswith("CIFAR-10")
    assert len(provenance["data"]["checksum"]) == 64
    assert set(table["recipe"]) == set(settings["recipes"])
    for recipe in settings["recipes"].values():
        assert recipe["batch_size"] == 128
        if not settings["trained"]:
            assert recipe["depth"] == 110
            assert recipe["images"]["positions"] == "config/lossless-subset.npz"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_table_carried_over_says_from_where(name):
    _, provenance = showing.read(PUBLISHED, name)
    if "carried_over" in provenance:
        assert set(provenance["carried_over"]) == {"settings_then", "columns_renamed", "columns_gone", "sha256_then"}
        assert len(provenance["carried_over"]["sha256_then"]) == 64


@pytest.mark.parametrize("name", SHIPPED)
def test_published_figures_are_those_that_were_drawn(name):
    item = catalogue.entry(name).item
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
