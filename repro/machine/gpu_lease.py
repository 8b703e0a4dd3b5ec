"""A lease of one GPU, so that jobs which run side by side on one machine compute on different ones.

A lease is an exclusive lock (`flock`) of a small file. The operating system holds it for the process and drops it
with the process, however that ends: there is nothing to clean up and nothing stale.
"""

import fcntl
import functools
import itertools
import os
from pathlib import Path
from typing import IO

from repro.machine.errors import UserError


@functools.cache
def lease_for_process(identities: tuple[str, ...]) -> int:
    """Index of the GPU that this process computes on until it ends, the same one at every call.

    `identities` names every GPU that the process sees, in a way on which processes that see different ones agree.
    Raises `UserError` when the folder for the locks cannot be used.
    """
    folder = Path(os.environ.get("TMPDIR") or "/tmp") / f"understanding-batch-normalization-gpu-leases-{os.getuid()}"
    index, lock = lease(identities, folder)
    _locks.append(lock)
    return index


_locks: list[IO[bytes]] = []  # open, and so held, as long as the process lives


def lease(identities: tuple[str, ...], folder: Path) -> tuple[int, IO[bytes]]:
    """Index of the first GPU with the fewest leases, and the file whose lock is the lease: closing it gives it back.

    All who pass the same `folder` share. A GPU has slots 0, 1, 2, ...; slot 1 is taken only where all have given
    their slot 0, so that jobs spread evenly. Raises `UserError` when the folder cannot be used.
    """
    for slot in itertools.count():
        for index, identity in enumerate(identities):
            path = folder / f"{identity}.{slot}"
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                lock = path.open("ab")
            except OSError as error:
                raise UserError(
                    f"{error.filename} cannot be opened to lease a GPU ({error.strerror}); "
                    "set TMPDIR to a folder that you may write to."
                ) from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                return index, lock
    raise AssertionError("slots do not end")
