"""Loads the images that a recipe names: from an official archive, a folder, or the embedded generator.

Images are decoded once and kept in `<folder>/prepared/`, one file for each choice of settings, which is verified
whenever it is read.
"""

import hashlib
import json
import os
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from repro.images import archive, folder, synthetic
from repro.images.data import TENSORS, Arrays, ImageData, Source
from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.settings.recipe import Images

VERSION = 1  # of the kept files; raise it when the same settings give other arrays


def load(settings: Images) -> ImageData:
    """The images that `settings` choose.

    The first call downloads or reads, verifies and decodes them; later calls read what was kept. Raises `UserError`
    when there is no sound archive or folder, or when it has fewer images than asked for.
    """
    try:
        arrays = _arrays(settings)
    except OSError as error:
        place = error.filename or settings.folder
        raise UserError(f"images: {place} cannot be read ({error.strerror or error}); check its permissions.") from None
    return ImageData(
        name=settings.name,
        checksum=str(arrays["checksum"]),
        **{key: torch.from_numpy(arrays[key]) for key in TENSORS},
        class_names=tuple(arrays["class_names"].tolist()),
    )


def _arrays(settings: Images) -> Arrays:
    """The arrays that `settings` choose and their checksum, kept or, if there are none, decoded and kept."""
    # Path.expanduser has no name for a user that does not exist, and says so in a RuntimeError.
    place = Path(os.path.expanduser(settings.folder))
    source = _source(settings, place)
    wanted = {"train": settings.train_images, "test": settings.test_images}
    digest = hashlib.sha256(json.dumps([VERSION, settings.source, source.identity, wanted]).encode()).hexdigest()
    kept = place / "prepared" / f"{digest[:32]}.npz"
    arrays = _read(kept)
    if arrays is None:
        arrays = _subset(source.decode(), wanted)
        arrays["checksum"] = np.array(_checksum(arrays))
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        try:
            write_atomically(kept, buffer.getvalue())
        except UserError as error:  # as in a read-only image folder
            print(f"The decoded images are not kept, so each step decodes them again: {error}", file=sys.stderr)
    return arrays


def _source(settings: Images, place: Path) -> Source:
    if settings.source == "synthetic":
        return Source(Path(synthetic.__file__).read_text(encoding="utf-8"), lambda: _synthetic(settings))
    if settings.source == "image_folder":
        return folder.source(place)
    return archive.source(settings, place)


def _synthetic(settings: Images) -> Arrays:
    train = min(settings.train_images or synthetic.TRAIN_IMAGES, synthetic.MAXIMUM_IMAGES)
    test = min(settings.test_images or synthetic.TEST_IMAGES, synthetic.MAXIMUM_IMAGES)
    parts = synthetic.generate(train, test)
    return dict(zip(TENSORS, parts, strict=True)) | {"class_names": np.array(synthetic.CLASS_NAMES)}


def _read(path: Path) -> Arrays | None:
    """The arrays in a kept file, or nothing when there is none or it is damaged."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*TENSORS, "class_names", "checksum")}
        if _checksum(arrays) != str(arrays["checksum"]):
            raise ValueError("its checksum does not fit")
    except Exception as error:  # damage shows in many ways, and the remedy is always the same
        print(f"{path} is damaged ({error}); the images are prepared again.", file=sys.stderr)
        return None
    return arrays


def _subset(arrays: Arrays, wanted: dict[str, int | None]) -> Arrays:
    """Equally many images of each class, chosen at random but always the same, in their original order."""
    arrays = dict(arrays)
    names = arrays["class_names"]
    for part, number in wanted.items():
        if number is None:
            continue
        if number % len(names):
            raise UserError(
                f"images.{part}_images is {number}, which cannot be equally many of each of {len(names)} classes; "
                f"choose a multiple of {len(names)}, or null for all images."
            )
        each = number // len(names)
        members = [np.flatnonzero(arrays[f"{part}_labels"] == label) for label in range(len(names))]
        fewest, name = min((len(positions), name) for positions, name in zip(members, names, strict=True))
        if each > fewest:
            raise UserError(
                f"images.{part}_images is {number}, {each} of each class, but there are only {fewest} of {name}; "
                f"choose at most {fewest * len(names)}, or null for all images."
            )
        random = np.random.Generator(np.random.PCG64(0))
        chosen = np.sort(np.concatenate([random.permutation(positions)[:each] for positions in members]))
        for key in (f"{part}_images", f"{part}_labels"):
            arrays[key] = arrays[key][chosen]
    return arrays


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256(json.dumps(arrays["class_names"].tolist()).encode())
    for key in TENSORS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
