"""What every measurement during a few steps of training begins with: a network, its optimiser, its mini-batches."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repro.images.batches import epoch_batches
from repro.networks import dropout
from repro.networks.residual import ResidualNetwork
from repro.training.schedule import epochs_after, learning_rate
from repro.training.snapshots import Snapshot


@dataclass(frozen=True)
class Trainee:
    """A network in training mode, with the optimiser and the mini-batches of ordinary training."""

    network: ResidualNetwork
    optimiser: torch.optim.SGD
    # Images float32 (batch, 3, y, x), labels int64 (batch,), without end; with each come its step's dropout masks.
    batches: Iterator[tuple[Tensor, Tensor]]

    @property
    def learning_rate(self) -> float:
        """The rate of its steps."""
        return float(self.optimiser.param_groups[0]["lr"])

    def gradient(self, images: Tensor, labels: Tensor) -> float:
        """The mini-batch's mean cross-entropy; its gradient, without weight decay, is left in the parameters."""
        self.optimiser.zero_grad()
        loss = functional.cross_entropy(self.network(images), labels)
        loss.backward()
        return loss.item()


def trainee(snapshot: Snapshot) -> Trainee:
    """A copy of a snapshot's network and what trains it on, at the rate its recipe has then, without momentum so far.

    Raises `UserError` when there are fewer training images than a mini-batch holds.
    """
    recipe = snapshot.recipe
    network = copy.deepcopy(snapshot.network).train()
    # channels_last is the faster layout for batch normalisation on CPUs, and what the training engine uses.
    network = network.to(memory_format=torch.channels_last)
    epoch = epochs_after(recipe, snapshot.after)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=learning_rate(recipe, min(epoch, recipe.epochs - 1)),  # beyond the cycle, its last one
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    return Trainee(network, optimiser, _batches(snapshot, network, epoch))


def _batches(snapshot: Snapshot, network: ResidualNetwork, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The mini-batches of ordinary training from the beginning of epoch `first`, without end."""
    recipe = snapshot.recipe
    for epoch in itertools.count(first):
        mini_batches = epoch_batches(
            snapshot.data, recipe.batch_size, snapshot.seed, epoch, recipe.augmentation, snapshot.device
        )
        for step, (images, labels) in enumerate(mini_batches):
            dropout.use_masks(network, snapshot.seed, epoch, step)
            yield images.contiguous(memory_format=torch.channels_last), labels
