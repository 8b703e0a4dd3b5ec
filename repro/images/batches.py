"""Which images a training step sees, and how they are augmented: a function of seed and epoch alone.

The order does not depend on the device, on how often a run was interrupted, or on other networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from repro.images.data import ImageData, normalise
from repro.machine.errors import UserError

PADDING = 4  # pixels of zeros (black) on each side before a random crop


@dataclass(frozen=True)
class EpochPlan:
    """The order of the images in one epoch and the augmentation of each."""

    order: Tensor  # int64 (image,), a permutation
    offsets: Tensor  # int64 (image, 2), rows and columns of the crop's corner in the padded image, 0..8
    flips: Tensor  # bool (image,)


def epoch_plan(images: int, seed: int, epoch: int) -> EpochPlan:
    """The plan that follows from (seed, epoch), with every permutation, crop and flip equally likely.

    Drawn with a CPU generator, so that it is the same for every device.
    """
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
    return EpochPlan(
        order=torch.randperm(images, generator=generator),
        offsets=torch.randint(0, 2 * PADDING + 1, (images, 2), generator=generator),
        flips=torch.rand(images, generator=generator) < 0.5,
    )


def augment(images: Tensor, offsets: Tensor, flips: Tensor) -> Tensor:
    """Pad by four zero pixels, crop to the old size at `offsets`, and mirror left-right where `flips`.

    Images uint8 (batch, channel, y, x), offsets int64 (batch, 2), flips bool (batch,); returns uint8 of the images'
    shape. The same as torchvision's RandomCrop(size, padding=4) and RandomHorizontalFlip with these draws.
    """
    batch, _, height, width = images.shape
    padded = functional.pad(images, (PADDING,) * 4)
    rows = offsets[:, :1] + torch.arange(height, device=images.device)  # (batch, y)
    columns = torch.arange(width, device=images.device).expand(batch, width)
    columns = offsets[:, 1:] + torch.where(flips[:, None], columns.flip(1), columns)  # (batch, x)
    picked = padded.permute(0, 2, 3, 1)[
        torch.arange(batch, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]  # (batch, y, x, channel)
    return picked.permute(0, 3, 1, 2)


def steps_per_epoch(data: ImageData, batch_size: int) -> int:
    """Number of full mini-batches; the images left over (80 of CIFAR-10's) sit out, others in each epoch.

    Raises `UserError` when there is none.
    """
    images = len(data.train_images)
    if images < batch_size:
        raise UserError(
            f"batch_size is {batch_size}, but {data.name} has only {images} training images; lower batch_size or raise "
            "images.train_images."
        )
    return images // batch_size


def epoch_batches(
    data: ImageData, batch_size: int, seed: int, epoch: int, augmentation: bool, device: torch.device, first: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The epoch's mini-batches from number `first` on: images float32 (batch, 3, y, x), labels int64 (batch,).

    Images are normalised with the training images' channel means and standard deviations.
    """
    plan = epoch_plan(len(data.train_images), seed, epoch)
    for step in range(first, steps_per_epoch(data, batch_size)):
        chosen = plan.order[step * batch_size : (step + 1) * batch_size]
        images, labels = data.train_images[chosen].to(device), data.train_labels[chosen].to(device)
        if augmentation:
            images = augment(images, plan.offsets[chosen].to(device), plan.flips[chosen].to(device))
        yield normalise(images, data), labels
