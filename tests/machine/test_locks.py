import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.machine import locks
from repro.machine.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_a_lock_is_refused_while_another_process_holds_it(tmp_path: Path):
    path = tmp_path / "new folder" / "x.lock"
    with locks.alone(path, "x is being measured"):
        assert path.read_text() == str(os.getpid())
        with (
            pytest.raises(UserError, match=rf"^x is being measured by process {os.getpid()} .*; wait for it, or stop"),
            locks.alone(path, "x is being measured"),
        ):
            pytest.fail("two hold the lock")
    with locks.alone(path, "x is being measured"):
        pass


def test_who_waits_says_for_whom_and_goes_on_at_its_end(tmp_path: Path):
    path = tmp_path / "x.lock"
    code = (
        "import sys; from pathlib import Path; from repro.machine import locks\n"
        "with locks.alone(Path(sys.argv[1]), 'x is being measured', wait=True): print('mine')"
    )
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711")
        file.flush()
        command = [sys.executable, "-c", code, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert (
                other.stdout.readline()
                == f"x is being measured by process 4711 (it holds {path}); waiting for it to end.\n"
            )
            assert other.poll() is None
            fcntl.flock(file, fcntl.LOCK_UN)
            assert other.stdout.read() == "mine\n"
            assert other.wait(timeout=60) == 0


def test_a_lock_that_cannot_be_opened_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"x\.lock cannot be opened \(.*\); free space or check permissions"),
        locks.alone(tmp_path / "file" / "x.lock", "x is being measured"),
    ):
        pytest.fail("it holds no lock")


def test_a_lock_with_anything_in_it_is_taken(tmp_path: Path):
    path = tmp_path / "x.lock"
    path.write_bytes(b"\xff\x00")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="it is done by process"), locks.alone(path, "it is done"):
            pytest.fail("two hold the lock")
    with locks.alone(path, "it is done"):
        assert path.read_text() == str(os.getpid())


def test_a_full_disk_does_not_keep_a_lock_from_being_taken(tmp_path: Path):
    (tmp_path / "x.lock").symlink_to("/dev/full")
    with locks.alone(tmp_path / "x.lock", "it is done"):
        pass
