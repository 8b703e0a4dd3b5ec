import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro import locks
from repro.errors import UserError

ROOT = Path(locks.__file__).parents[1]


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
        "import sys; from pathlib import Path; from repro import locks\n"
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
