"""Images from `<folder>/train/<class>/*` and `<folder>/test/<class>/*`, in the order of torchvision's `ImageFolder`."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from repro.images.data import PARTS, Arrays, Source
from repro.machine.errors import UserError

Files = dict[str, list[tuple[str, int]]]  # path and label of each image, for each of PARTS


def source(folder: Path) -> Source:
    """The images in a folder; their names, sizes and times of change tell whether they are still the same.

    Raises `UserError` when the folders of the classes are not as they should be.
    """
    classes = _classes(folder)
    files: Files = {part: [] for part in PARTS}
    for part in PARTS:
        for label, name in enumerate(classes):
            paths = _images_below(folder / part / name)
            if not paths:
                raise UserError(f"{folder / part / name} holds no PNG or JPEG image; add images or remove the class.")
            files[part] += [(path, label) for path in paths]
    statuses = [(path, os.stat(path)) for part in PARTS for path, _ in files[part]]
    root = len(str(folder))
    identity = [(path[root:], status.st_size, status.st_mtime_ns) for path, status in statuses]
    return Source(identity, lambda: _decode(folder, classes, files))


def _classes(folder: Path) -> list[str]:
    """The class folders, in the order of `torchvision.datasets.ImageFolder`."""
    found = {}
    for part in PARTS:
        path = folder / part
        if not path.is_dir():
            missing = path if folder.is_dir() else folder
            raise UserError(
                f"images.folder: there is no folder {missing}; an image folder holds train/<class>/ and test/<class>/."
            )
        found[part] = {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    for part, other in (PARTS, PARTS[::-1]):
        if extra := sorted(found[part] - found[other]):
            raise UserError(
                f"Class {extra[0]} is in {folder / part} but not in {folder / other}; both need the same class folders."
            )
    if len(found["train"]) < 2:
        raise UserError(f"{folder / 'train'} needs at least two class folders, it has {len(found['train'])}.")
    return sorted(found["train"])


def _images_below(folder: Path) -> list[str]:
    """All PNG and JPEG files in a folder and its subfolders, in the order of `torchvision.datasets.ImageFolder`."""
    return [
        os.path.join(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith((".png", ".jpg", ".jpeg")) and not name.startswith(".")
    ]


def _decode(folder: Path, classes: list[str], files: Files) -> Arrays:
    """All images, square and equally large."""
    arrays: Arrays = {"class_names": np.array(classes)}
    size = None  # of all images, set by the first
    for part in PARTS:
        images = []
        for path, _ in tqdm(files[part], desc=f"Decoding {folder / part}", disable=None):
            images.append(_decode_image(path))
            height, width = images[-1].shape[1:]
            if size is None and (height != width or height < 8 or height % 4):
                raise UserError(
                    f"{path} has {width}x{height} pixels; images must be square, with a side that is a multiple of "
                    "4 and at least 8 (the paper's are 32x32)."
                )
            size = size or height
            if (height, width) != (size, size):
                raise UserError(
                    f"{path} has {width}x{height} pixels, the first image {size}x{size}; make all equally large."
                )
        arrays[f"{part}_images"] = np.stack(images)
        arrays[f"{part}_labels"] = np.array([label for _, label in files[part]], dtype=np.int64)
    return arrays


def _decode_image(path: str) -> NDArray[np.uint8]:
    """An image as uint8 (channel, y, x) in red, green and blue."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            mode = image.mode
            with_alpha = image.convert("RGBA") if "transparency" in image.info else image
            pixels = np.asarray(with_alpha.convert("RGB")).transpose(2, 0, 1)
    except Exception as error:  # a decoder meets damage in many ways
        reason = getattr(error, "strerror", None) or "it is damaged or not a PNG or JPEG image"
        raise UserError(f"{path} cannot be read ({reason}); replace or remove it.") from None
    if mode[0] in "IF":
        raise UserError(f"{path} has more than 8 bits per channel; convert it to 8 bits.")
    return pixels
