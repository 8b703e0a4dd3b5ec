"""Checkpoints that survive being killed while they are written, and that notice when they are damaged.

A file is the SHA-256 of the rest, and the rest is what `torch.save` wrote. The previous checkpoint is kept beside
the newest one.
"""

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import torch

from repro.machine.errors import UserError
from repro.machine.files import write_atomically

DIGEST_SIZE = hashlib.sha256().digest_size


def previous(path: Path) -> Path:
    """Where the checkpoint before the newest one is kept."""
    return path.with_name(f"{path.name}.previous")


def pack(state: dict[str, Any]) -> bytes:
    """A file's content: `state` (tensors, numbers, strings and containers of these) behind its SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a kill at any moment loses nothing.

    Raises `UserError` when it cannot be written; the checkpoints that were there stay.
    """
    fresh = path.with_name(f"{path.name}.next")
    write_atomically(fresh, pack(state | {"name": path.name}))
    try:
        for place in (path, previous(path)):
            if place.is_dir():  # no file takes the place of a folder
                place.replace(place.with_name(f"{place.name}.aside"))
        if path.is_file():
            path.replace(previous(path))
        fresh.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be replaced ({error.strerror}); check permissions.") from None


def load(path: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint, or None where there is none; says on stderr what it left aside, and why."""
    for candidate in (path, previous(path)):
        state = read(candidate)
        if state is None:
            continue
        if state.get("name") == path.name:
            return state
        # The name says which network this is and how it is trained.
        print(f"{candidate} was written as {state.get('name')}, another network's; left aside.", file=sys.stderr)
    return None


def read(path: Path) -> dict[str, Any] | None:
    """What `pack` put into a file, or None where there is none or it is damaged, which is said on stderr."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        print(f"{path} cannot be read ({error.strerror}); left aside.", file=sys.stderr)
        return None
    digest, payload = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    if hashlib.sha256(payload).digest() != digest:
        print(f"{path} is damaged (its checksum differs); going on without it.", file=sys.stderr)
        return None
    try:
        # weights_only: a file from elsewhere cannot run code.
        state = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except Exception as error:  # what is no such file shows in many ways
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"{path} is not a checkpoint of this package ({reason}); left aside.", file=sys.stderr)
        return None
    if not isinstance(state, dict):
        print(
            f"{path} is not a checkpoint of this package (it holds a {type(state).__name__}); left aside.",
            file=sys.stderr,
        )
        return None
    return state
