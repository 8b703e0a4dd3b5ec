"""Folders from which a page is made: shipped tables and figures with a made-up scorecard, and a small run's."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro import page
from repro.experiments import scoring
from repro.results import claims, published_values, style, tables
from repro.settings import catalogue
from repro.settings.configuration import Configuration, validate
from tests.workflow.conftest import ROOT

VERDICTS = list(claims.Outcome.__args__)
KINDS = list(claims.Kind.__args__)
# What HTML would take for its own.
AWKWARD = 'it is <b>bold</b> & "quoted"'


@dataclass(frozen=True)
class Made:
    """A page and what it was made from."""

    tables: Path
    figures: Path
    file: Path
    frames: dict[str, pd.DataFrame]
    configuration: Configuration | None = None

    @property
    def html(self) -> str:
        return self.file.read_text(encoding="utf-8")


def scorecard(items: list[str]) -> dict[str, pd.DataFrame]:
    """Three claims of each item, of every kind and verdict in turn, and published values of every other item."""
    cards, numbers, published = [], [], []
    for place, item in enumerate(items):
        for of_item in range(3):
            index = 3 * place + of_item
            name, quantity = f"made_up_{index}", f"quantity {index}"
            verdict, recalled = VERDICTS[(index + index // 4) % 4], index % 5 == 0
            lacking = "depth 8 instead of 110; " if verdict == "not run at this scale" else ""
            because = f"{lacking}{quantity}: layer 1 0.5 (0.4 to 0.6; 20)"
            p_value = np.nan if lacking else 0.002 * index
            told = (name, item, KINDS[index % 4], f"Claim {index} says that {AWKWARD}.", f"Section {index}")
            cards.append((*told, int(recalled), verdict, because, f"{quantity}: above 0", p_value, np.nan, "images"))
            interval = (0.4, 0.6, 20) if index % 3 else (np.nan, np.nan, 2)
            for label in ("layer 1", "layer 2") if index % 2 else ("-",):
                bounds = (0.0, np.inf, "inside" if index % 3 else "straddles")
                numbers.append((name, quantity, label, 0.5, *interval, "exact, of the median", *bounds))
        if place % 2 == 0:
            for index in range(15 if place == 0 else 3):
                known = ("read off", "quoted", "recalled")[index % 3]
                error, measured = 0.1 * (known == "read off"), (-2e-7, -3e-7, -1e-7, 20, 0.25, index % 2)
                row = (f"published {item} {index}", 1000.25 + index, known, error, *measured)
                published.append((item, *row))
    found = {
        "scorecard": claims.corrected(pd.DataFrame(cards, columns=list(claims.CARD_COLUMNS))),
        "scorecard_numbers": pd.DataFrame(numbers, columns=list(claims.NUMBER_COLUMNS)),
        "published_values": pd.DataFrame(published, columns=list(published_values.COLUMNS)),
    }
    return found


def write_scorecard(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    files = {entry.name: folder / f"{entry.name}.{entry.table}" for entry in catalogue.entries().values()}
    made_from = {name: scoring.origin(tables.read(file)[1]) for name, file in files.items() if file.exists()}
    for name, frame in frames.items():
        tables.write(folder / f"{name}.csv", frame, scoring.FILES[name], {"tables": made_from})


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The tables and figures that ship, with a made-up scorecard of all items."""
    folder = tmp_path_factory.mktemp("shipped")
    for name in ("results/published", "paper_figures/published"):
        (folder / name).mkdir(parents=True)
        for file in (ROOT / name).iterdir():
            if file.stem not in (*scoring.FILES, "index"):
                (folder / name / file.name).symlink_to(file)
    measured, figures = folder / "results/published", folder / "paper_figures/published"
    entries = catalogue.entries().values()
    items = [entry.item for entry in entries if (measured / f"{entry.name}.{entry.table}").exists()]
    frames = scorecard(items)
    write_scorecard(measured, frames)
    return Made(measured, figures, page.write(measured, figures), frames)


SMALL = {
    "name": "small",
    "device": "cpu",
    "recipe": {"depth": 8, "images": {"source": "synthetic", "train_images": 60, "test_images": 20}},
    "experiments": {
        "training_curves": {"seeds": 2, "recipes": [{"epochs": 3}]},
        "activation_growth": {"seeds": 2},
        "limiting_spectrum": {"factors": [1, 2]},
        "condition_growth": {"sizes": [10], "draws": 3},
    },
}


def small_run(folder: Path) -> tuple[Path, Path, Configuration]:
    """Tables of `SMALL` with one made-up row each, their figures and a report, and an empty scorecard."""
    configuration = validate(SMALL)
    measured, figures = folder / configuration.results_folder, folder / configuration.figures_folder
    for name in configuration.chosen:
        known = catalogue.entry(name)
        values = {"text": "batch", "whole": 1, "number": 0.5}
        frame = pd.DataFrame({column: [values[about.kind]] for column, about in known.columns.items()})
        data = {"name": "synthetic images", "checksum": "0" * 64} if configuration.recipes_of(name) else None
        provenance = tables.provenance(configuration.part_of(name), data, "a CPU, 1 thread(s)", 3725)
        tables.write(measured / f"{name}.{known.table}", frame, known.columns, provenance)
        figure, axes = style.panels(1, 1)
        axes[0, 0].plot([1, 2], [1, 3], label=AWKWARD)
        axes[0, 0].legend()
        style.save(figure, figures, known.item, "a test")
        (figures / f"{known.item}.md").write_text("numbers")
    (figures / "report.html").write_text("report")
    write_scorecard(measured, {name: pd.DataFrame(columns=list(columns)) for name, columns in scoring.FILES.items()})
    return measured, figures, configuration


@dataclass(frozen=True)
class Run:
    """The folders and the configuration of a run."""

    root: Path
    tables: Path
    figures: Path
    configuration: Configuration

    def copied_to(self, root: Path) -> "Run":
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Run(
            root, *(root / part.relative_to(self.root) for part in (self.tables, self.figures)), self.configuration
        )


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("run")
    return Run(root, *small_run(root))


@pytest.fixture
def run(run_once: Run, tmp_path: Path) -> Run:
    """A small run with an empty scorecard, without a page, that a test may change."""
    return run_once.copied_to(tmp_path)


@pytest.fixture(scope="session")
def own(run_once: Run, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run's own page, whose scorecard has a real claim with its history, and no published values."""
    copied = run_once.copied_to(tmp_path_factory.mktemp("own"))
    measured, figures, configuration = copied.tables, copied.figures, copied.configuration
    frames = scorecard([])
    claim = next(claim for claim in scoring.claims_of("activation_growth") if claim.history)
    card = (claim.identifier, "fig5", claim.kind, claim.statement, claim.source, 0, "undecided", "too few networks")
    row = (*card, "a rule", 0.5, 0.5, "synthetic images")
    frames["scorecard"] = pd.DataFrame([row], columns=list(claims.CARD_COLUMNS))
    write_scorecard(measured, frames)
    return Made(measured, figures, page.write(measured, figures, configuration), frames, configuration)
