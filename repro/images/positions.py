"""Which images of an official archive to use: an .npz file of their positions there.

`train_index` and `test_index` are positions in the official training and test set, from 0, each at most once. The
images come in the order of the positions, with the official labels and class names.

`config/lossless-subset.npz` picks the 8,068 training and 1,017 test images of CIFAR-10 on which the shipped tables
were measured. These were measured on a folder with the same images, and a folder is read class by class; so the file
lists positions class by class, ascending within a class, and gives the checksum that the tables state.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.images.data import PARTS, Arrays
from repro.machine.errors import UserError


@dataclass(frozen=True)
class Positions:
    """Distinct whole numbers (image,) for each of `PARTS`, and the file they come from."""

    file: Path
    parts: dict[str, NDArray[Any]]

    @property
    def identity(self) -> dict[str, list[int]]:
        """What the choice of images depends on, in plain JSON types."""
        return {part: found.tolist() for part, found in self.parts.items()}

    def of(self, arrays: Arrays) -> Arrays:
        """The images and labels at these positions. Raises `UserError` when there are not so many."""
        chosen = dict(arrays)
        for part, found in self.parts.items():
            count = len(arrays[f"{part}_labels"])
            outside = found[(found < 0) | (found >= count)]
            if len(outside):
                raise UserError(
                    f"images.positions: {part}_index of {self.file} has the position {outside[0]}, but the official "
                    f"positions are 0 to {count - 1}; correct the file, or remove images.positions to use all images."
                )
            for key in (f"{part}_images", f"{part}_labels"):
                chosen[key] = arrays[key][found]
        return chosen


def read(file: str) -> Positions:
    """The positions in a file. Raises `UserError` when it cannot be read, is not such a file, or one is repeated."""
    path = Path(os.path.expanduser(file))
    remedy = "correct the file, or remove images.positions to use all images"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            parts = {part: arrays[f"{part}_index"] for part in PARTS}
    except Exception as error:  # damage shows in many ways, and the remedy is always the same
        reason = getattr(error, "strerror", None) or "it is no .npz file with arrays train_index and test_index"
        raise UserError(f"images.positions: {path} cannot be read ({reason}); {remedy}.") from None
    for part, found in parts.items():
        if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
            raise UserError(f"images.positions: {part}_index of {path} is no list of whole numbers; {remedy}.")
        position, times = Counter(found.tolist()).most_common(1)[0]
        if times > 1:
            raise UserError(f"images.positions: {part}_index of {path} lists {position} {times} times; {remedy}.")
    return Positions(path, parts)
