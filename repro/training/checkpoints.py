"""Checkpoints that survive being killed while they are written, and that notice when they are damaged.

A file is the SHA-256 of the rest, and the rest is what `torch.save` wrote. The previous checkpoint is kept beside
the newest one.
"""

import hashlib
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from repro.errors import UserError
from repro.tables import write_atomically

DIGEST_SIZE = hashlib.sha256().digest_size


def previous(path: Path) -> Path:
    """Where the checkpoint before the newest one is kept."""
    return path.with_name(f"{path.name}.previous")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings and containers of these) so that a kill at any moment loses nothing.

    Raises `UserError` when it cannot be written; the checkpoints that were there stay.
    """
    buffer = io.BytesIO()
    torch.save(state | {"name": path.name}, buffer)
    content = buffer.getvalue()
    fresh = path.with_name(f"{path.name}.next")
    write_atomically(fresh, hashlib.sha256(content).digest() + content)
    try:
        if path.exists():
            path.replace(previous(path))
        fresh.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be replaced ({error.strerror}); check permissions.") from None


def load(path: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint, or None where there is none; says on stderr what it found damaged."""
    for candidate in (path, previous(path)):
        try:
            content = candidate.read_bytes()
        except FileNotFoundError:
            continue
        digest, payload = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
        if hashlib.sha256(payload).digest() == digest:
            try:
                # weights_only: a checkpoint from elsewhere cannot run code.
                state: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
            except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
                reason = str(error).splitlines()[0]
                print(f"{candidate} is not a checkpoint of this package ({reason}); left aside.", file=sys.stderr)
                continue
            if state.get("name") == path.name:
                return state
            # The name says which network this is and how it is trained.
            print(f"{candidate} was written as {state.get('name')}, another network's; left aside.", file=sys.stderr)
            continue
        print(f"{candidate} is damaged (its checksum differs); going on without it.", file=sys.stderr)
    return None
