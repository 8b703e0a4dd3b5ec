"""Which networks a measurement is given, in which order, and what the table says about them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from repro.experiments import measuring
from repro.machine.errors import UserError
from repro.results import tables
from repro.settings.catalogue import entry
from repro.settings.configuration import Configuration, validate
from repro.training.snapshots import Snapshot

EXPERIMENT = "activation_growth"
OWN = list(entry(EXPERIMENT).columns)[4:]


def asking(**settings: Any) -> Configuration:
    images = {"source": "synthetic", "train_images": 60, "test_images": 20}
    base = {"depth": 8, "batch_size": 16, "images": images}
    return validate({"name": "x", "device": "cpu", "recipe": base, "experiments": {EXPERIMENT: settings}})


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """The snapshots that the experiment's measure is given; it measures their number. In an empty current folder."""
    monkeypatch.chdir(tmp_path)
    found: list[Snapshot] = []

    def measure(snapshot: Snapshot, _settings: object) -> pd.DataFrame:
        found.append(snapshot)
        # The runner puts its columns in order.
        return pd.DataFrame({name: [len(found)] * 2 for name in reversed(OWN)})

    monkeypatch.setattr(f"repro.experiments.{EXPERIMENT}.measure.measure", measure)
    return found


def test_seed_by_seed_and_recipe_by_recipe(seen: list[Snapshot]):
    configuration = asking(seeds=2, recipes=[{"normalisation": "none"}, {}])
    path = measuring.measure(configuration, "fig5")
    assert path == configuration.table_file(EXPERIMENT)
    assert [(one.seed, one.name, one.after) for one in seen] == [
        (0, "none", 0.0),
        (0, "batch", 0.0),
        (1, "none", 0.0),
        (1, "batch", 0.0),
    ]
    table, provenance = tables.read(path)
    assert list(table.columns) == ["recipe", "normalisation", "after", "seed", *OWN]
    assert table["recipe"].tolist() == ["none"] * 2 + ["batch"] * 2 + ["none"] * 2 + ["batch"] * 2
    assert table["seed"].tolist() == [0] * 4 + [1] * 4
    assert table[OWN[0]].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert provenance["settings"] == configuration.part_of(EXPERIMENT)
    assert provenance["data"] == {"name": seen[0].data.name, "checksum": seen[0].data.checksum}
    assert "trained" not in provenance
    assert "diverged" not in provenance


def test_each_network_is_of_its_recipe_and_seed(seen: list[Snapshot]):
    measuring.measure(asking(seeds=1, recipes=[{}, {"depth": 14, "batch_size": 8, "place": "final"}]), EXPERIMENT)
    first, second = seen
    assert (first.recipe.depth, second.recipe.depth) == (8, 14)
    assert (len(first.mini_batch()[0]), len(second.mini_batch()[0])) == (16, 8)
    assert first.network.training
    assert first.data is second.data  # loaded once
    table, _ = tables.read(Path("results/x/activation_growth.parquet"))
    assert table["normalisation"].tolist() == ["batch"] * 2 + ["batch-final"] * 2


def test_several_images_are_all_named(seen: list[Snapshot]):
    few = {"images": {"train_images": 40, "label": "few"}}
    path = measuring.measure(asking(seeds=1, recipes=[{}, few]), EXPERIMENT)
    data = tables.read(path)[1]["data"]
    assert data["name"] == "synthetic images; few"
    assert data["checksum"] == "; ".join(one.data.checksum for one in seen)


def test_a_table_can_go_elsewhere(seen: list[Snapshot], tmp_path: Path):
    path = measuring.measure(asking(seeds=1), EXPERIMENT, folder=tmp_path / "elsewhere")
    assert path.parent == tmp_path / "elsewhere"
    assert not (tmp_path / "results").exists()


def test_what_was_measured_without_a_column_is_no_table(monkeypatch: pytest.MonkeyPatch, seen: list[Snapshot]):
    monkeypatch.setattr(
        f"repro.experiments.{EXPERIMENT}.measure.measure", lambda *_: pd.DataFrame({name: [1] for name in OWN[1:]})
    )
    with pytest.raises(KeyError, match=OWN[0]):
        measuring.measure(asking(seeds=1), EXPERIMENT)
    assert not Path("results/x/activation_growth.parquet").exists()


def test_networks_that_are_not_trained_yet_are_said_before_any_is_measured(seen: list[Snapshot]):
    with pytest.raises(UserError, match=r"training/batch\.parquet is missing; train it with"):
        measuring.measure(asking(seeds=1, after=[0, 1.0]), EXPERIMENT)
    assert seen == []
