import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from repro.experiments import measuring
from repro.images import loading
from repro.machine import code, devices, locks
from repro.machine.errors import UserError
from repro.results import sources, tables
from repro.settings.configuration import Configuration, validate
from repro.settings.experiment import HISTORY_COLUMNS
from repro.settings.recipe import Recipe, vary
from repro.training import checkpoints, train

ROOT = Path(__file__).resolve().parents[2]
FIGURE_1: dict[str, Any] = {"seeds": 2, "recipes": [{}, {"normalisation": "none", "learning_rate": 100}]}
SETTINGS: dict[str, Any] = {
    "name": "test",
    "device": "cpu",
    "recipe": {
        "images": {"source": "synthetic", "train_images": 100, "test_images": 50},
        "depth": 8,
        "batch_size": 16,
        "epochs": 2,
    },
    "training": {"keep": [0.5, 1.0]},
    "experiments": {"training_curves": FIGURE_1},
}


def changed(recipe: dict[str, Any] | None = None, **figure_1: Any) -> Configuration:
    return validate(
        SETTINGS
        | {"recipe": SETTINGS["recipe"] | (recipe or {}), "experiments": {"training_curves": FIGURE_1 | figure_1}}
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def networks(run: str) -> dict[float, dict[str, Any] | None]:
    return {share: checkpoints.read(changed().networks_file(run, share)) for share in (0.5, 1.0)}


def test_the_table_has_every_seed_and_epoch():
    path = train.train(changed(), "batch")
    table, provenance = tables.read(path)
    assert path == changed().history_file("batch")
    assert list(table.columns) == list(HISTORY_COLUMNS)
    assert table[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert set(table["status"]) == {"finished"}
    assert set(table["recipe"]) == set(table["normalisation"]) == {"batch"}
    assert len(set(provenance["weights"].values())) == 2
    assert provenance["data"]["checksum"] == loading.load(changed().recipe.images).checksum
    assert provenance["settings"] == changed().part_of_run(changed().run("batch"))


def test_the_networks_of_every_seed_are_kept_after_every_share():
    train.train(changed(), "batch")
    for share, kept in networks("batch").items():
        assert kept is not None
        assert list(kept) == ["0", "1"]
        for seed, state in kept.items():
            assert state["status"] == "alive"
            assert (state["seed"], state["after"], state["epoch"]) == (int(seed), share, 2 * share)
            assert state["recipe"] == changed().run("batch").recipe.digest


def test_another_seed_trains_just_that_one(capsys):
    first, _ = tables.read(train.train(changed(), "batch"))
    capsys.readouterr()
    table, _ = tables.read(train.train(changed(seeds=3), "batch"))
    said = capsys.readouterr().err
    assert "seed 2: epoch 2/2" in said
    assert "seed 0" not in said
    pd.testing.assert_frame_equal(table[table["seed"] < 2], first)
    assert all(list(kept) == ["0", "1", "2"] for kept in networks("batch").values() if kept is not None)


def test_recipes_trained_beside_another_are_found_trained(capsys):
    alone, _ = tables.read(train.train(changed(), "none-lr100"))
    files = [changed().networks_file("none-lr100", share) for share in (0.5, 1.0)]
    kept = [file.read_bytes() for file in files]
    Path("results/test/checkpoints").rename("aside")
    for file in (changed().history_file("none-lr100"), *files):
        file.unlink()
    train.train(changed(), "batch", beside=["none-lr100", "batch"])
    said = capsys.readouterr().err
    assert said.count("batch seed 1: epoch 2/2") == 1
    assert "none-lr100 seed 1: epoch" in said
    assert not changed().history_file("none-lr100").exists()
    table, provenance = tables.read(train.train(changed(), "none-lr100"))
    assert "epoch" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), alone.drop(columns="seconds"))
    assert [file.read_bytes() for file in files] == kept
    assert provenance["settings"] == changed().part_of_run(changed().run("none-lr100"))


def test_recipes_of_other_batch_sizes_and_images_are_trained_beside_each_other():
    recipes = [{}, {"batch_size": 32}, {"images": {"train_images": 60}}]
    configuration = changed(seeds=1, recipes=recipes)
    names = list(configuration.runs)
    assert names == ["batch", "batch-batch32", "batch-train60"]
    train.train(configuration, names[0], beside=names[1:])
    for name, steps in zip(names, (6, 3, 3), strict=True):
        table, _ = tables.read(train.train(configuration, name))
        assert table["steps"].tolist() == [steps, 2 * steps]


def test_recipes_of_different_precision_are_not_trained_beside_each_other():
    configuration = changed(recipes=[{}, {"precision": "bfloat16"}])
    with pytest.raises(UserError, match="batch, batch-bfloat16 are of different precision"):
        train.train(configuration, "batch", beside=["batch-bfloat16"])


@pytest.fixture
def fastest(monkeypatch) -> Callable[[str], None]:
    """As if the device were the fastest in this precision."""
    return lambda precision: monkeypatch.setattr(devices, "fastest_precision", lambda device: precision)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_fastest_precision_is_recorded_as_what_it_was(fastest, capsys, precision):
    fastest(precision)
    configuration = changed({"precision": "fastest"})
    history, provenance = tables.read(train.train(configuration, "batch"))
    assert f"The fastest precision here is {precision}." in capsys.readouterr().err
    assert provenance["precision"] == precision
    assert provenance["settings"]["recipe"]["precision"] == "fastest"
    expected = vary(configuration.recipe, {"precision": precision})
    data = loading.load(expected.images)
    paths = [train.checkpoint_path(configuration.results_folder, expected, data, seed) for seed in (0, 1)]
    assert all(path.exists() for path in paths)
    for kept in networks("batch").values():
        assert kept is not None
        assert {(state["recipe"], state["precision"]) for state in kept.values()} == {(expected.digest, precision)}
    # What asks for that precision by name finds the very networks.
    named, provenance = tables.read(train.train(changed({"precision": precision}), "batch"))
    assert "epoch" not in capsys.readouterr().err
    assert provenance["precision"] == precision
    pd.testing.assert_frame_equal(named, history)


def test_on_a_device_with_another_fastest_precision_training_has_its_own_checkpoint(fastest, capsys):
    configuration = changed({"precision": "fastest"}, seeds=1)
    weights, checkpoint = {}, Path("results/test/checkpoints")
    for count, precision in enumerate(("bfloat16", "float32"), start=1):
        fastest(precision)
        _, provenance = tables.read(train.train(configuration, "batch"))
        weights[precision] = provenance["weights"]["seed 0"]
        said = capsys.readouterr().err.splitlines()
        assert [line for line in said if "epoch" not in line] == [f"The fastest precision here is {precision}."]
        assert len(said) == 3
        assert len(list(checkpoint.glob("*-seed0.pt"))) == count
    assert weights["float32"] != weights["bfloat16"]
    fastest("bfloat16")
    _, provenance = tables.read(train.train(configuration, "batch"))
    assert provenance["weights"]["seed 0"] == weights["bfloat16"]
    assert "epoch" not in capsys.readouterr().err


def test_a_figure_says_the_precision_that_its_networks_were_trained_in(fastest):
    fastest("bfloat16")
    settings = changed({"precision": "fastest"}, seeds=1, recipes=[{}]).resolved()
    settings["experiments"]["channel_gradients"] = {"seeds": 1, "after": [0.0, 1.0], "recipes": [{}]}
    configuration = validate(settings)
    train.train(configuration, "batch")
    fastest("float32")  # wherever it is looked at
    for experiment in ("training_curves", "channel_gradients"):
        _, provenance = tables.read(measuring.measure(configuration, experiment))
        assert provenance["trained"]["batch"]["precision"] == "bfloat16"
        assert (
            sources.subject(experiment, provenance)
            == "synthetic images; 100 training images; ResNet-8; 2 epochs; bfloat16"
        )


@pytest.mark.parametrize(
    ("networks_at_once", "seeds", "expected"), [(None, 5, 5), (8, 5, 8), (31, 40, 31), (32, 5, 31), (None, 40, 31)]
)
def test_a_gpu_trains_no_more_networks_at_once_than_it_has_streams(capsys, networks_at_once, seeds, expected):
    settings = SETTINGS | {"training": {"networks_at_once": networks_at_once}}
    configuration = validate(settings | {"experiments": {"training_curves": FIGURE_1 | {"seeds": seeds}}})
    assert train._at_once(configuration, configuration.run("batch")) == expected
    said = capsys.readouterr().err
    assert said.count("\n") == (max(networks_at_once or 0, seeds if networks_at_once is None else 0) > 31)
    assert not said or f"{networks_at_once or seeds} networks were to train side by side" in said


def test_a_recipe_that_another_process_trains_is_not_trained_beside_another():
    lock = Path("results/test/checkpoints/none-lr100.lock")
    with (
        locks.alone(lock, "none-lr100 is being trained"),
        pytest.raises(UserError, match="none-lr100 is being trained by process"),
    ):
        train.train(changed(), "batch", beside=["none-lr100"])


def test_another_recipe_begins_anew():
    data = loading.load(changed().recipe.images)

    def path(recipe: Recipe) -> Path:
        return train.checkpoint_path(Path("results"), recipe, data, 0)

    base = changed().recipe
    variations = [{}, {"momentum": 0.5}, {"weight_decay": 0}, {"augmentation": False}, {"dropout": 0.1}]
    variations += [{"place": "final"}, {"activation": "tanh"}, {"drops": [0.5]}, {"precision": "tf32"}]
    paths = {path(vary(base, variation)) for variation in variations}
    assert len(paths) == len(variations)
    # Where the images lie does not matter, but which they are.
    assert path(vary(base, {"images": {"folder": "elsewhere"}})) in paths
    others = loading.load(vary(base, {"images": {"train_images": 90}}).images)
    assert train.checkpoint_path(Path("results"), base, others, 0) not in paths


def test_divergence_stands_in_the_table_and_in_the_kept_networks():
    table, _ = tables.read(train.train(changed(), "none-lr100"))
    assert set(table["status"]) == {"diverged"}
    assert all(
        state["status"] == "diverged" and state["network"] == {}
        for kept in networks("none-lr100").values()
        if kept is not None
        for state in kept.values()
    )


def test_too_few_images_and_unknown_recipes_are_refused():
    with pytest.raises(UserError, match="batch_size is 128, but synthetic images has only 100"):
        train.train(changed({"batch_size": 128}), "batch")
    with pytest.raises(UserError, match=r"trains 'batch-7'.*they train batch, none-lr100"):
        train.train(changed(), "batch-7")
    with pytest.raises(UserError, match=r"trains 'batch-7'"):
        train.train(changed(), "batch", beside=["batch-7"])


def test_a_second_process_refuses_and_the_lock_dies_with_its_owner(folder):
    configuration = changed(seeds=1)
    lock = folder / "results" / "test" / "checkpoints" / "batch.lock"
    lock.parent.mkdir(parents=True)
    program = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "f.write('4711'); f.flush(); print('held', flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=r"batch is being trained by process 4711"):
            train.train(configuration, "batch")
        assert not list(lock.parent.glob("*.pt"))
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    assert train.train(configuration, "batch").exists()
    assert int(lock.read_text()) == os.getpid()


OVERLAY = (
    "{name: test, device: cpu, recipe: {depth: 8, batch_size: 16, epochs: 100000,"
    " images: {source: synthetic, train_images: 100, test_images: 50}},"
    " experiments: {training_curves: {seeds: 1, recipes: [{}]}}}"
)


def started(*command: str, **streams: Any) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command], text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, **streams
    )


def test_sigterm_saves_and_says_resume(folder):
    process = started("-m", "repro", "train", "batch", "--threads", "1", "--config", OVERLAY, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    assert process.wait(timeout=60) == train.RESUME_EXIT_CODE
    assert "the same command resumes it" in said
    process.stderr.close()
    assert list((folder / "results" / "test" / "checkpoints").glob("*.pt"))


def test_time_that_is_up_saves_and_the_same_command_goes_on(folder, monkeypatch):
    configuration = changed(seeds=1)
    names = list(configuration.runs)
    expected = [tables.read(path)[0] for path in train.train_all(configuration, [[name] for name in names])]
    (folder / "again").mkdir()
    monkeypatch.chdir(folder / "again")
    lives, found, codes = 0, [], set()
    while not found:
        lives += 1
        try:
            found = list(train.train_all(configuration, [names[:1], names[1:]], deadline=time.monotonic()))
        except SystemExit as end:
            codes.add(end.code)
    assert codes == {train.RESUME_EXIT_CODE}
    assert lives > 12  # a step in each
    for path, history in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(tables.read(path)[0].drop(columns="seconds"), history.drop(columns="seconds"))


def test_a_group_is_trained_together_and_each_of_it_is_written(capsys):
    configuration = changed()
    names = list(configuration.runs)
    paths = list(train.train_all(configuration, [names]))
    assert paths == [configuration.history_file(name) for name in names]
    assert all(path.exists() for path in paths)
    assert capsys.readouterr().err.count("batch seed 1: epoch 2/2") == 1


def test_minutes_end_a_training_by_exit_code_75(folder):
    arguments = ("train", "--minutes", "0.001", "--threads", "1", "--config", OVERLAY)
    process = started("-m", "repro", *arguments, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=120)
    assert process.returncode == train.RESUME_EXIT_CODE
    assert said == "batch stopped after a checkpoint; the same command resumes it.\n"
    assert list((folder / "results" / "test" / "checkpoints").glob("*.pt"))


def test_a_request_to_stop_ends_the_waiting_for_another_process(folder):
    with locks.alone(Path("results/test/checkpoints/batch.lock"), "it is being trained"):
        process = started("-m", "repro", "train", "batch", "--wait", "--config", OVERLAY, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert "waiting for it to end" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == -signal.SIGTERM
        process.stdout.close()


def test_a_request_to_stop_while_networks_are_being_built_ends_the_process_at_once(folder):
    """There is nothing to save yet, and building the deepest networks of many seeds takes minutes."""
    program = (
        "import sys, time; from repro.settings.configuration import load; from repro.training import train\n"
        "def slow(*arguments): print('building', flush=True); time.sleep(600)\n"
        "train.NetworkRun = slow\n"
        "train.train(load([sys.argv[1]]), 'batch')"
    )
    process = started("-c", program, OVERLAY, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    process.stdout.close()


def test_what_decides_a_network_is_what_its_training_imports():
    batch, none = (train.deciding_modules(Recipe(normalisation=kind)) for kind in ("batch", "none"))
    assert {
        "repro.images.batches",
        "repro.images.data",
        "repro.networks.residual",
        "repro.networks.dropout",
        "repro.networks.activation.relu",
        "repro.networks.initialisation.xavier_normal",
        "repro.networks.normalisation.batch",
        "repro.training.descent",
        "repro.training.network_run",
        "repro.training.schedule",
    } <= batch
    assert batch ^ none == {"repro.networks.normalisation.batch", "repro.networks.normalisation.none"}
    # Neither what cannot change a network's weights nor what only other recipes use.
    without_effect = ("settings", "machine", "results", "experiments", "instruments", "images.loading")
    assert not [name for name in batch for other in without_effect if name.startswith(f"repro.{other}")]
    assert "repro.networks.activation.tanh" not in batch
    assert "repro.training.train" not in batch


def test_editing_what_decides_a_network_begins_anew(monkeypatch, folder):
    data = loading.load(changed().recipe.images)

    def path() -> Path:
        return train.checkpoint_path(Path("results"), Recipe(), data, 0)

    def edited(module: str, addition: str) -> Path:
        file_of = code.file_of
        copy = folder / f"{module}.py"
        copy.write_text(file_of(module).read_text(encoding="utf-8") + addition)
        with monkeypatch.context() as patch:
            patch.setattr(code, "file_of", lambda name: copy if name == module else file_of(name))
            return path()

    before = path()
    for module in ("repro.images.data", "repro.training.descent", "repro.networks.normalisation.batch"):
        assert edited(module, "\nx = 1\n") != before
        assert edited(module, "\n# a remark\n") == before
    for module in ("repro.networks.normalisation.none", "repro.results.tables", "repro.training.train"):
        assert edited(module, "\nx = 1\n") == before
