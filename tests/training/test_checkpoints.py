import hashlib
import pickle

import numpy as np
import pytest
import torch

from repro.machine.errors import UserError
from repro.training import checkpoints


def state(number: int) -> dict:
    return {"weights": torch.full((50,), float(number)), "history": [{"epoch": number, "loss": 0.1}]}


def number_in(loaded: dict | None) -> int:
    assert loaded is not None
    return loaded["history"][0]["epoch"]


def test_what_was_saved_is_loaded(tmp_path):
    assert checkpoints.load(tmp_path / "a.pt") is None
    checkpoints.save(tmp_path / "a.pt", state(1))
    loaded = checkpoints.load(tmp_path / "a.pt")
    assert loaded is not None
    assert torch.equal(loaded["weights"], state(1)["weights"])
    assert loaded["history"] == state(1)["history"]


def test_every_flipped_byte_is_noticed_and_the_previous_checkpoint_used(tmp_path, capsys, record_property):
    path = tmp_path / "a.pt"
    checkpoints.save(path, state(1))
    checkpoints.save(path, state(2))
    content = path.read_bytes()
    found = 0
    for position in np.random.default_rng(0).integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        assert number_in(checkpoints.load(path)) == 1
        assert "a.pt is damaged" in capsys.readouterr().err
        found += 1
    path.write_bytes(content)
    assert number_in(checkpoints.load(path)) == 2
    record_property("flipped bytes found", found)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_checkpoint_is_noticed(tmp_path, record_property, kept):
    path = tmp_path / "a.pt"
    checkpoints.save(path, state(1))
    checkpoints.save(path, state(2))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert number_in(checkpoints.load(path)) == 1
    record_property("cut files found", 1)


def test_a_malicious_checkpoint_runs_nothing(tmp_path, capsys):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    path = tmp_path / "a.pt"
    payload = pickle.dumps(Malicious(), protocol=2)
    path.write_bytes(hashlib.sha256(payload).digest() + payload)
    assert checkpoints.load(path) is None
    assert not (tmp_path / "pwned").exists()
    assert "not a checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_another_network_is_left_aside(tmp_path, capsys):
    path = tmp_path / "depth8.pt"
    checkpoints.save(path, state(1))
    checkpoints.save(path, state(2))
    checkpoints.save(tmp_path / "depth110.pt", state(3))
    path.write_bytes((tmp_path / "depth110.pt").read_bytes())
    assert number_in(checkpoints.load(path)) == 1
    assert "depth8.pt was written as depth110.pt" in capsys.readouterr().err


def test_a_kill_between_the_renames_loses_nothing(tmp_path):
    path = tmp_path / "a.pt"
    checkpoints.save(path, state(1))
    path.replace(checkpoints.previous(path))  # what a kill after the first rename leaves behind
    assert number_in(checkpoints.load(path)) == 1
    checkpoints.save(path, state(2))
    assert number_in(checkpoints.load(path)) == 2


@pytest.mark.parametrize("other", [[1, 2], 5, "text", torch.zeros(2)])
def test_a_sound_file_of_another_type_is_left_aside(tmp_path, capsys, other):
    path = tmp_path / "a.pt"
    checkpoints.save(path, state(1))
    checkpoints.save(path, state(2))
    path.write_bytes(checkpoints.pack(other))
    assert number_in(checkpoints.load(path)) == 1
    assert f"it holds a {type(other).__name__}" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["a.pt", "a.pt.previous"])
def test_a_folder_in_the_place_of_a_checkpoint_is_left_aside(tmp_path, capsys, place):
    path = tmp_path / "a.pt"
    (tmp_path / place / "something").mkdir(parents=True)
    assert checkpoints.load(path) is None
    assert f"{place} cannot be read (Is a directory); left aside" in capsys.readouterr().err
    for number in (1, 2):
        checkpoints.save(path, state(number))
        assert number_in(checkpoints.load(path)) == number
    assert capsys.readouterr().err == ""
    assert (tmp_path / f"{place}.aside" / "something").exists()


def test_the_same_state_is_the_same_bytes():
    assert checkpoints.pack(state(3)) == checkpoints.pack(state(3))
    assert checkpoints.pack(state(3)) != checkpoints.pack(state(4))


def test_a_failing_write_keeps_the_old_checkpoint(tmp_path, monkeypatch, record_property):
    path = tmp_path / "a.pt"
    checkpoints.save(path, state(1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(path, state(2))
    assert number_in(checkpoints.load(path)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]
    record_property("failed disk calls survived", 1)
