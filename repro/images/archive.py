"""CIFAR-10 and CIFAR-100 from their official archives: downloaded or local, verified, decoded without unpacking.

An archive is used only if its MD5 is torchvision's, and its pickles may build arrays and text but call nothing.
"""

import hashlib
import http.client
import os
import pickle
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from repro.images import positions
from repro.images.data import Arrays, Source
from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.settings.recipe import Images

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

TIMEOUT = 30.0  # seconds without a sign of life from a server


def source(settings: Images, folder: Path) -> Source:
    """The official images, all or those at `settings.positions`; downloads go to `folder`.

    Raises `UserError` when `settings.archive` is not the official archive or `settings.positions` is unusable.
    """
    # As long to import as torch itself, so only where the official archive is asked for.
    from torchvision.datasets import CIFAR10, CIFAR100

    official = CIFAR10 if settings.source == "cifar10" else CIFAR100
    # Files that settings name are verified at every call, also when their images are kept: a setting is never ignored.
    local = _verified(settings.archive, official) if settings.archive is not None else None
    chosen = positions.read(settings.positions) if settings.positions is not None else None

    def decode() -> Arrays:
        path = local or _download(official, settings.mirrors, folder)
        arrays = _decode(path, official)
        return arrays if chosen is None else chosen.of(arrays)

    return Source(official.tgz_md5 if chosen is None else [official.tgz_md5, chosen.identity], decode)


def _verified(archive: str, official: "type[CIFAR10]") -> Path:
    """The path of an archive of the user's own, once it is verified."""
    path = Path(os.path.expanduser(archive))
    remedy = f"download {official.url}, or remove images.archive to have that done"
    try:
        found = _md5(path)
    except OSError as error:
        raise UserError(f"images.archive: {path} cannot be read ({error.strerror}); {remedy}.") from None
    if found != official.tgz_md5:
        raise UserError(
            f"images.archive: {path} is truncated or not the official archive, "
            f"its MD5 is {found} instead of {official.tgz_md5}; {remedy}."
        )
    return path


def _download(official: "type[CIFAR10]", mirrors: list[str], folder: Path) -> Path:
    """The official archive, from the folder or the first source that sends it whole; only then is it written."""
    path = folder / official.filename
    if path.is_file():
        if (found := _md5(path)) == official.tgz_md5:
            return path
        print(f"{path} is damaged, its MD5 is {found} instead of {official.tgz_md5}; replacing it.", file=sys.stderr)

    failures = []
    for url in [*(f"{mirror.rstrip('/')}/{official.filename}" for mirror in mirrors), official.url]:
        print(f"Downloading {url}", file=sys.stderr)
        try:
            content = _fetch(url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error)
        else:
            found = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if found == official.tgz_md5:
                write_atomically(path, content)
                return path
            reason = f"sent {len(content)} bytes with MD5 {found} instead of {official.tgz_md5}"
        failures.append(f"{url}: {reason}")
        print(f"Not usable: {failures[-1]}", file=sys.stderr)
    raise UserError(
        f"{official.filename} could not be downloaded ({'; '.join(failures)}); try again later, "
        "name another web folder in images.mirrors, or a copy of your own in images.archive."
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "understanding-batch-normalization"})
    content = bytearray()
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        length = response.headers.get("Content-Length")
        with tqdm(total=int(length) if length else None, unit="B", unit_scale=True, disable=None) as bar:
            while piece := response.read(1 << 20):
                content += piece
                bar.update(len(piece))
    return bytes(content)


def _decode(path: Path, official: "type[CIFAR10]") -> Arrays:
    """The arrays in a verified archive, read without unpacking it to the disk."""
    batches = {"train": official.train_list, "test": official.test_list}
    description = official.meta["filename"]
    wanted = {description, *(name for batch in batches.values() for name, _ in batch)}
    entries: dict[str, Any] = {}
    with tarfile.open(path, mode="r:gz") as archive:
        for member in archive:
            name = member.name.removeprefix(f"{official.base_folder}/")
            if name in wanted and (file := archive.extractfile(member)):
                entries[name] = _ArrayUnpickler(file, encoding="latin1").load()

    arrays: Arrays = {"class_names": np.array(entries[description][official.meta["key"]])}
    for part, batch in batches.items():
        parts = [entries[name] for name, _ in batch]
        labels = [entry["labels"] if "labels" in entry else entry["fine_labels"] for entry in parts]
        arrays[f"{part}_images"] = np.concatenate([entry["data"] for entry in parts]).reshape(-1, 3, 32, 32)
        arrays[f"{part}_labels"] = np.concatenate(labels).astype(np.int64)
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays, numbers, text and containers as Python 2 and its NumPy wrote them, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            # NumPy 2.4 warns of the integers that older versions wrote for these truth values.
            ("numpy", "dtype"): lambda kind, align, copy: np.dtype(kind, bool(align), bool(copy)),
        }
        if (module, name) not in allowed:
            raise UserError(f"The archive asks for {module}.{name}, which no images need; do not use it.")
        return allowed[module, name]
