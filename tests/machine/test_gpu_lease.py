"""Processes on one machine get different GPUs. The GPUs are pretended, the processes and their locks are real."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from repro.machine import devices, gpu_lease
from repro.machine.errors import UserError

ROOT = Path(__file__).resolve().parents[2]

# Says which GPU it got and holds it until its standard input ends.
HOLDER = (
    "import sys; from pathlib import Path; from repro.machine.gpu_lease import lease;"
    "names = tuple(sys.argv[2:]); index, lock = lease(names, Path(sys.argv[1]));"
    "print(names[index], flush=True); sys.stdin.read()"
)


@contextmanager
def holders(folder: Path, *sees: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are started together and lease one GPU each of those that each sees."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), *identities],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for identities in sees
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def got(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_processes_get_different_gpus_and_share_evenly_when_there_are_more(tmp_path):
    gpus = ("GPU-a", "GPU-b", "GPU-c")
    with holders(tmp_path, *[gpus] * 3) as first:
        assert sorted(map(got, first)) == sorted(gpus)
        with holders(tmp_path, *[gpus] * 4) as second:
            assert sorted(Counter(map(got, second)).values()) == [1, 1, 2]


def test_a_killed_process_frees_its_gpu(tmp_path):
    gpus = ("GPU-a", "GPU-b", "GPU-c")
    with holders(tmp_path, *[gpus] * 3) as three:
        names = [got(process) for process in three]
        three[1].kill()  # SIGKILL
        three[1].wait()
        with holders(tmp_path, gpus) as (next_one,):
            assert got(next_one) == names[1]


def test_processes_that_see_different_gpus_agree(tmp_path):
    """As with different CUDA_VISIBLE_DEVICES: the same GPU has another index in each."""
    with holders(tmp_path, ("GPU-a", "GPU-b")) as (first,):
        assert got(first) == "GPU-a"
        with holders(tmp_path, ("GPU-b", "GPU-a")) as (second,):
            assert got(second) == "GPU-b"
            with holders(tmp_path, ("GPU-a", "GPU-c")) as (third,):
                assert got(third) == "GPU-c"


def test_a_lease_given_back_is_given_out_first(tmp_path):
    leases = [gpu_lease.lease(("GPU-a", "GPU-b"), tmp_path) for _ in range(5)]
    assert [index for index, _ in leases] == [0, 1, 0, 1, 0]
    leases[1][1].close()
    index, lock = gpu_lease.lease(("GPU-a", "GPU-b"), tmp_path)
    assert index == 1
    for held in (lock, *(held for _, held in leases)):
        held.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"/file/leases cannot be opened .*Not a directory.*set TMPDIR to a folder"):
        gpu_lease.lease(("GPU-a",), tmp_path / "file" / "leases")
    (tmp_path / "GPU-a.0").mkdir()
    with pytest.raises(UserError, match=r"GPU-a\.0 cannot be opened"):
        gpu_lease.lease(("GPU-a",), tmp_path)


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """Two pretended GPUs for PyTorch; yields the folder of their leases. A new process as far as leases go."""

    class Properties:
        def __init__(self, index: int) -> None:
            self.uuid = f"GPU-{index}"

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(gpu_lease, "_locks", [])
    gpu_lease.lease_for_process.cache_clear()
    yield lambda: next(tmp_path.iterdir())
    gpu_lease.lease_for_process.cache_clear()
    for lock in gpu_lease._locks:
        lock.close()


def test_a_process_keeps_its_gpu(two_gpus):
    assert devices.prepare("cuda") == torch.device("cuda", 0)
    assert devices.prepare("auto") == torch.device("cuda", 0)
    with holders(two_gpus(), ("GPU-0", "GPU-1")) as (other,):
        assert got(other) == "GPU-1"


def test_a_process_avoids_the_gpu_of_another(two_gpus):
    devices.prepare("cuda")
    folder = two_gpus()
    gpu_lease._locks.pop().close()
    gpu_lease.lease_for_process.cache_clear()
    with holders(folder, ("GPU-0",)) as (other,):
        assert got(other) == "GPU-0"
        assert devices.prepare("cuda") == torch.device("cuda", 1)


def test_the_cpu_needs_no_lease(two_gpus, tmp_path):
    assert devices.prepare("cpu") == torch.device("cpu")
    assert list(tmp_path.iterdir()) == []
