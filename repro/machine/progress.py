"""Saying how far long work has come: a bar on a terminal, one line per piece in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(pieces: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the pieces and report on stderr how many are done and how long the rest will take.

    `total` is the number of pieces where `pieces` has no length.
    """
    if total is None and isinstance(pieces, Sized):
        total = len(pieces)
    if sys.stderr.isatty():
        yield from tqdm(pieces, desc=what, total=total)
        return
    start = time.monotonic()
    for done, piece in enumerate(pieces, start=1):
        yield piece
        elapsed = time.monotonic() - start
        rest = f"/{total}, about {duration((total - done) * elapsed / done)} left" if total else ""
        print(f"{what}: {done}{rest}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a person would say them, like `42 s`, `3 min` or `5.2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
