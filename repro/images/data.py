"""Images and labels of one data set as uint8 tensors, their normalisation, and mini-batches to measure on."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from repro.machine.errors import UserError

PARTS = ("train", "test")
TENSORS = ("train_images", "train_labels", "test_images", "test_labels")

Arrays = dict[str, NDArray[Any]]  # TENSORS and class_names before they are an `ImageData`


@dataclass(frozen=True)
class Source:
    """Where images come from: what their content depends on, in plain JSON types, and what decodes them."""

    identity: Any
    decode: Callable[[], Arrays]


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images of one data set.

    Images are uint8 (image, channel, y, x), labels int64 (image,), both on the CPU when loaded; `checksum`
    is the SHA-256 of the four tensors and the class names, `name` is what figures call the data.
    """

    name: str
    checksum: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    class_names: tuple[str, ...]

    @property
    def mean(self) -> torch.Tensor:
        """Mean of each channel over all pixels of the training images, in units of full intensity, float32."""
        return self._moments[0]

    @property
    def standard_deviation(self) -> torch.Tensor:
        """Standard deviation of each channel, like `mean`; `UserError` when a channel is the same everywhere."""
        return self._moments[1]

    @functools.cached_property
    def _moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        moments = []
        for channel in range(self.train_images.shape[1]):
            # How often each of the 256 values occurs: exact, fast, and without a copy of the images.
            pieces = self.train_images[:, channel].split(5000)
            counts = torch.stack([torch.bincount(piece.flatten(), minlength=256) for piece in pieces]).sum(0)
            if counts.count_nonzero() == 1:
                raise UserError(
                    f"Channel {channel} of {self.name} is the same in every pixel of every training image, "
                    "so it cannot be normalised; use other images."
                )
            share, values = counts.double() / counts.sum(), torch.arange(256).double() / 255
            mean = share @ values
            moments.append(torch.stack([mean, (share @ (values - mean) ** 2).sqrt()]))
        mean, standard_deviation = torch.stack(moments, dim=1).float()
        return mean, standard_deviation

    def to(self, device: torch.device) -> "ImageData":
        """The same images, labels and moments on `device`."""
        moved = dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in TENSORS})
        moved.__dict__["_moments"] = tuple(moment.to(device) for moment in self._moments)  # counted once, here
        return moved


def normalise(images: torch.Tensor, data: ImageData) -> torch.Tensor:
    """(images / 255 - mean) / standard deviation, with the moments of each channel over the training images.

    `images` is uint8 (batch, channel, y, x) on any device; the result is float32 there.
    """
    mean = data.mean.to(images.device)[:, None, None]
    deviation = data.standard_deviation.to(images.device)[:, None, None]
    # A tensor, because CUDA multiplies by the reciprocal of a plain number, which differs in last digits.
    full = torch.full((), 255.0, device=images.device)
    return (images.float() / full - mean) / deviation


def mini_batch(data: ImageData, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distinct training images drawn at random: normalised float32 (size, channel, y, x), and their labels (size,).

    The same `seed` draws the same images everywhere. Raises `UserError` when there are fewer than `size`.
    """
    count = len(data.train_images)
    if size > count:
        raise UserError(
            f"A mini-batch of {size} images cannot be drawn from {count} training images; "
            "lower batch_size or raise images.train_images."
        )
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size]
    return normalise(data.train_images[chosen], data), data.train_labels[chosen]
