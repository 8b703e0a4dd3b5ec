"""What every measurement during the first steps of training begins with: a network, its optimiser, its mini-batches."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repro.config import Configuration, Normalisation
from repro.datasets import ImageData
from repro.networks import ResidualNetwork
from repro.training.batches import epoch_batches


@dataclass(frozen=True)
class Trainee:
    """An untrained network in training mode, with the optimiser and the mini-batches of ordinary training."""

    network: ResidualNetwork
    optimiser: torch.optim.SGD
    batches: Iterator[tuple[Tensor, Tensor]]  # images float32 (batch, 3, y, x), labels int64 (batch,); without end

    def gradient(self, images: Tensor, labels: Tensor) -> float:
        """The mini-batch's mean cross-entropy; its gradient, without weight decay, is left in the parameters."""
        self.optimiser.zero_grad()
        loss = functional.cross_entropy(self.network(images), labels)
        loss.backward()
        return loss.item()


def trainee(
    configuration: Configuration,
    data: ImageData,
    device: torch.device,
    normalisation: Normalisation,
    depth: int,
    learning_rate: float,
    seed: int,
) -> Trainee:
    """A network of `depth` and what trains it at a constant `learning_rate`; `seed` decides weights and mini-batches.

    Raises `UserError` when there are fewer training images than a mini-batch holds.
    """
    settings = configuration.network.model_copy(update={"depth": depth})
    network = ResidualNetwork(settings, normalisation, len(data.class_names), seed).train()
    # channels_last is the faster layout for batch normalisation on CPUs, and what the training engine uses.
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=learning_rate,
        momentum=configuration.training.momentum,
        weight_decay=configuration.training.weight_decay,
    )
    return Trainee(network, optimiser, training_batches(configuration, data, device, seed))


def training_batches(
    configuration: Configuration, data: ImageData, device: torch.device, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The mini-batches of steps 1, 2, ... of ordinary training, epoch after epoch, without end."""
    augmentation = configuration.training.augmentation
    for epoch in itertools.count():
        for images, labels in epoch_batches(data, configuration.batch_size, seed, epoch, augmentation, device):
            yield images.contiguous(memory_format=torch.channels_last), labels
