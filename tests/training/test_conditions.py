import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from repro import config, datasets, jobs, locks, probes, progress, tables
from repro.errors import UserError
from repro.training import checkpoints, conditions, side_by_side
from repro.training.results import HISTORY_COLUMNS

SETTINGS = {
    "name": "test",
    "device": "cpu",
    "batch_size": 16,
    "data": {"source": "synthetic", "train_images": 100, "test_images": 50},
    "network": {"depth": 8},
    "training": {
        "seeds": 2,
        "conditions": [
            {"normalisation": "batch", "learning_rate": 0.1, "epochs": 2},
            {"normalisation": "none", "learning_rate": 100, "epochs": 2},
        ],
    },
}


def changed(**training) -> config.Configuration:
    return config.validate({**SETTINGS, "training": {**SETTINGS["training"], **training}})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_every_seed_and_epoch():
    path = conditions.train(changed(), "batch-0.1")
    table, provenance = tables.read(path)
    assert list(table.columns) == list(HISTORY_COLUMNS)
    assert table[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert set(table["status"]) == {"finished"}
    assert len(set(provenance["weights"].values())) == 2
    assert provenance["data"]["checksum"] == datasets.load(changed().data).checksum


def test_another_seed_trains_just_that_one(capsys):
    first, _ = tables.read(conditions.train(changed(), "batch-0.1"))
    capsys.readouterr()
    table, _ = tables.read(conditions.train(changed(seeds=3), "batch-0.1"))
    said = capsys.readouterr().err
    assert "seed 2: epoch 2/2" in said
    assert "seed 0" not in said
    pd.testing.assert_frame_equal(table[table["seed"] < 2], first)


def test_conditions_trained_beside_another_are_found_trained(capsys):
    alone, _ = tables.read(conditions.train(changed(), "none-100"))
    Path("results/test/checkpoints").rename("aside")
    Path("results/test/training/none-100.parquet").unlink()
    conditions.train(changed(), "batch-0.1", beside=["none-100"])
    said = capsys.readouterr().err
    assert "batch-0.1 seed 1: epoch 2/2" in said
    assert "none-100 seed 1: epoch" in said
    assert not Path("results/test/training/none-100.parquet").exists()
    table, provenance = tables.read(conditions.train(changed(), "none-100"))
    assert "epoch" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), alone.drop(columns="seconds"))
    assert provenance["settings"] == jobs.for_condition(changed(), "none-100")


def test_a_condition_that_another_process_trains_is_not_trained_beside_another():
    lock = Path("results/test/checkpoints/none-100.lock")
    with (
        locks.alone(lock, "none-100 is being trained"),
        pytest.raises(UserError, match="none-100 is being trained by process"),
    ):
        conditions.train(changed(), "batch-0.1", beside=["none-100"])


def test_another_recipe_begins_anew():
    paths = set()
    data = datasets.load(changed().data)
    for variant in (changed(), changed(momentum=0.5), changed(weight_decay=0), changed(augmentation=False)):
        paths.add(conditions.checkpoint_path(variant, variant.training.conditions[0], data, 0))
    assert len(paths) == 4
    same = changed(seeds=7, checkpoint_minutes=1)
    assert conditions.checkpoint_path(same, same.training.conditions[0], data, 0) in paths


def test_divergence_stands_in_the_table():
    table, _ = tables.read(conditions.train(changed(), "none-100"))
    assert set(table["status"]) == {"diverged"}


def test_too_few_images_and_unknown_conditions_are_refused():
    with pytest.raises(UserError, match="batch_size is 128, but synthetic images has only 100"):
        conditions.train(config.validate({**SETTINGS, "batch_size": 128}), "batch-0.1")
    with pytest.raises(UserError, match=r"no condition 'batch-7'.*batch-0\.1, none-100"):
        conditions.train(changed(), "batch-7")


def test_a_second_process_refuses_and_the_lock_dies_with_its_owner(folder):
    configuration = changed(seeds=1)
    lock = folder / "results" / "test" / "checkpoints" / "batch-0.1.lock"
    lock.parent.mkdir(parents=True)
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "f.write('4711'); f.flush(); print('held', flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=r"batch-0\.1 is being trained by process 4711"):
            conditions.train(configuration, "batch-0.1")
        assert not list(lock.parent.glob("*.pt"))
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    assert conditions.train(configuration, "batch-0.1").exists()
    assert int(lock.read_text()) == os.getpid()


def test_sigterm_saves_and_says_resume(folder):
    overlay = (
        "{name: test, device: cpu, batch_size: 16, data: {source: synthetic, train_images: 100, test_images: 50},"
        " network: {depth: 8}, training: {seeds: 1, conditions:"
        " [{normalisation: batch, learning_rate: 0.1, epochs: 100000}]}}"
    )
    command = [sys.executable, "-m", "repro", "train", "batch-0.1", "--threads", "1", "--config", overlay]
    environment = os.environ | {"PYTHONPATH": str(Path(conditions.__file__).parents[2])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    assert process.wait(timeout=60) == conditions.RESUME_EXIT_CODE
    assert "the same command resumes it" in said
    process.stderr.close()
    assert list((folder / "results" / "test" / "checkpoints").glob("*.pt"))


def test_a_request_to_stop_ends_the_waiting_for_another_process(folder):
    overlay = "{name: test, device: cpu, network: {depth: 8}, data: {source: synthetic}}"
    command = [sys.executable, "-m", "repro", "train", "batch-0.1", "--wait", "--config", overlay]
    environment = os.environ | {"PYTHONPATH": str(Path(conditions.__file__).parents[2])}
    with locks.alone(Path("results/test/checkpoints/batch-0.1.lock"), "it is being trained"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert "waiting for it to end" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == -signal.SIGTERM
        process.stdout.close()


def test_every_function_that_deciding_code_calls_is_in_the_digest():
    without_effect = {progress.duration, side_by_side.side_by_side, checkpoints.load, checkpoints.save}
    called = set()
    for part in conditions.DECIDING:
        for name in re.findall(r"[\w.]+", inspect.getsource(part)):
            found = inspect.getmodule(part)
            for each in name.split("."):
                found = getattr(found, each, None)
            if inspect.isfunction(found) and found.__module__.startswith("repro."):
                called.add(found)
    assert {datasets.normalise, probes.reduce_outputs} <= called
    for function in called - without_effect:
        assert function in conditions.DECIDING or inspect.getmodule(function) in conditions.DECIDING, function


def test_editing_what_decides_a_network_begins_anew(monkeypatch):
    data = datasets.load(changed().data)

    def path():
        return conditions.checkpoint_path(changed(), changed().training.conditions[0], data, 0)

    before = path()
    source = inspect.getsource
    monkeypatch.setattr(
        inspect, "getsource", lambda part: source(part) + ("\nx = 1" if part is datasets.normalise else "")
    )
    assert path() != before
    monkeypatch.setattr(inspect, "getsource", lambda part: source(part) + "\n# a remark")
    assert path() == before
