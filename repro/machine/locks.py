"""Locks on work that one process at a time may do; a lock dies with its owner, also when that is killed.

They hold on one machine: across a network file system only where it passes on `flock`.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from repro.machine.errors import UserError


@contextlib.contextmanager
def alone(path: Path, doing: str, wait: bool = False) -> Iterator[None]:
    """Within the block no other process holds the lock `path`, which stays behind as a file with its owner's number.

    While another one holds it: with `wait`, says so and waits for it; otherwise raises `UserError`. `doing` begins
    that sentence, like "fig5 is being measured".
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({error.strerror}); free space or check permissions.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = f"{doing} by process {file.read().decode(errors='replace')} (it holds {path})"
            if not wait:
                raise UserError(f"{other}; wait for it, or stop it.") from None
            print(f"{other}; waiting for it to end.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # it only tells others whom they wait for, and the disk may be full
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield
