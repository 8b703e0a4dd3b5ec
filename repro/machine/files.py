"""Writing files so that nothing is ever half there."""

import os
from pathlib import Path

from repro.machine.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the whole new content is there, also after a power cut.

    Raises `UserError` when the content cannot be written, as on a full disk; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); free space or check permissions.") from None
