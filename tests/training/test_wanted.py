"""The networks that an experiment looks at, from what training has written."""

from pathlib import Path
from typing import Any

import pytest
import torch

from repro.machine.errors import UserError
from repro.settings.configuration import Configuration, validate
from repro.training import histories, snapshots, train
from repro.training.snapshots import untrained

EXPERIMENT = "gradient_histogram"
RECIPES = [{}, {"normalisation": "none", "learning_rate": 100}]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def configuration(recipe: dict[str, Any] | None = None, **experiment: Any) -> Configuration:
    images = {"source": "synthetic", "train_images": 100, "test_images": 50}
    base = {"images": images, "depth": 8, "batch_size": 16, "epochs": 2}
    return validate(
        {
            "name": "test",
            "device": "cpu",
            "recipe": base | (recipe or {}),
            "training": {"keep": [0.5, 1.0]},
            "experiments": {EXPERIMENT: {"seeds": 2, "recipes": RECIPES, "after": [0, 0.5, 1.0], **experiment}},
        }
    )


def wanted(chosen: Configuration) -> list[tuple[str, int, float, snapshots.Snapshot | None]]:
    return list(snapshots.wanted(chosen, EXPERIMENT, torch.device("cpu")))


def trained() -> None:
    for run in configuration().runs:
        train.train(configuration(), run)


def test_all_networks_come_seed_by_seed_and_diverged_ones_as_none():
    trained()
    found = wanted(configuration())
    assert [(name, seed, after, snapshot is None) for name, seed, after, snapshot in found] == [
        (name, seed, after, name == "none-lr100" and after > 0)
        for seed in (0, 1)
        for name in ("batch", "none-lr100")
        for after in (0, 0.5, 1)
    ]
    digests = set()
    for name, seed, after, snapshot in found:
        if snapshot is not None:
            assert (snapshot.name, snapshot.seed, snapshot.after) == (name, seed, after)
            assert snapshot.recipe == configuration().recipes_of(EXPERIMENT)[name]
            digests.add(snapshot.network.convolution1.weight.sum().item())
    assert len(digests) == 2 * 3  # the untrained ones of both recipes are the same


def test_untrained_networks_need_no_training():
    ((name, seed, after, snapshot),) = wanted(configuration(seeds=1, recipes=[{}], after=[0]))
    assert (name, seed, after) == ("batch", 0, 0)
    assert snapshot is not None
    expected = untrained(configuration().recipe, 0, snapshot.data).network
    assert torch.equal(snapshot.network.convolution1.weight, expected.convolution1.weight)


def test_missing_damaged_and_other_files_are_one_sentence_each(capsys):
    with pytest.raises(UserError, match=r"after0\.5\.pt is missing or damaged; .*python -m repro train batch`"):
        wanted(configuration())
    trained()
    with pytest.raises(UserError, match=r"after0\.5\.pt is of another recipe, moment or images"):
        wanted(configuration({"momentum": 0.5}))
    with pytest.raises(UserError, match=r"after0\.5\.pt is of another recipe, moment or images"):
        wanted(configuration(seeds=3))
    file = configuration().networks_file("batch", 1.0)
    content = file.read_bytes()
    for damaged in (content[:-1], b"", b"nonsense", content[:100] + b"?" + content[101:]):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"after1\.pt is missing or damaged"):
            wanted(configuration())
    file.write_bytes(content)
    assert len(wanted(configuration())) == 12


def test_histories_come_below_each_other_with_their_origins():
    with pytest.raises(UserError, match=r"batch\.parquet is missing; train it with `python -m repro train batch`"):
        histories.gather(configuration(), EXPERIMENT)
    trained()
    table, origins = histories.gather(configuration(), EXPERIMENT)
    assert table["recipe"].drop_duplicates().tolist() == list(origins) == ["batch", "none-lr100"]
    assert set(table["seed"]) == {0, 1}
    assert all({"data", "device", "weights"} <= set(origin) for origin in origins.values())
    with pytest.raises(UserError, match=r"was trained under other settings; `python -m repro train batch` again"):
        histories.gather(configuration({"momentum": 0.5}), EXPERIMENT)
    Path("results/test/training/none-lr100.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"none-lr100\.parquet"):
        histories.gather(configuration(), EXPERIMENT)
