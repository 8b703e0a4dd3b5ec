"""Moments over a whole set of images, exactly, as what batch normalisation normalises by when it is evaluated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from repro.images.data import ImageData, normalise
from repro.networks.residual import ResidualNetwork


@dataclass
class ChannelMoments:
    """Mean and variance, divided by n, of every channel over all that was added, in float64.

    Parts are joined by Chan, Golub and LeVeque's update (1983), which loses no digits where the mean is large.
    """

    count: int = 0
    mean: Tensor | float = 0.0  # (channel,)
    squares: Tensor | float = 0.0  # (channel,), sum of squared deviations from the mean

    def add(self, activations: Tensor) -> None:
        """Add activations (batch, channel, y, x)."""
        values = activations.double().transpose(0, 1).flatten(1)
        count = values.shape[1]
        total = self.count + count
        distance = values.mean(1) - self.mean
        self.squares = self.squares + values.var(1, correction=0) * count + distance**2 * self.count * count / total
        self.mean = self.mean + distance * count / total
        self.count = total

    @property
    def variance(self) -> Tensor | float:
        """Of every channel, (channel,); NaN when nothing was added."""
        return self.squares / self.count if self.count else float("nan")


def prepared(network: ResidualNetwork, data: ImageData, images: Tensor) -> Tensor:
    """uint8 images (batch, 3, y, x), normalised by the data's moments, on the network's device and in its precision."""
    weight = network.classifier.weight
    return normalise(images.to(weight.device), data).to(weight.dtype)


@torch.no_grad()
def settle(
    network: ResidualNetwork, images: Sequence[Tensor], then: Callable[[nn.BatchNorm2d], None] = lambda _: None
) -> None:
    """Set the running averages of every batch normalisation to the population's moments, from the front to the back.

    `images` are all of the population, normalised, in parts (batch, 3, y, x) on the network's device. Each layer's
    moments are those of what reaches it in evaluation mode, the layers before it being set already, as in Algorithm 2
    of Ioffe and Szegedy (2015, arXiv 1502.03167), but for their average over mini-batches and their factor
    m / (m - 1): here all images count as one. They are added up in float64. `then` is called with each layer once it
    is set, before those behind it are measured.

    Block by block, so that a network is passed a few times and not once for each layer; that keeps one state of every
    image, 64 KiB in float32. The network is left in evaluation mode. It is one with normalisation everywhere.
    """
    network.eval()
    states = _settled(network.stem, [network.normalisation1], images, then)
    for block in network.blocks:
        # The shortcut's comes last in a block, and no other one of it depends on it.
        layers = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
        states = _settled(block, layers, states, then)


def _settled(
    part: Callable[[Tensor], Tensor],
    layers: Sequence[nn.Module],
    states: Sequence[Tensor],
    then: Callable[[nn.BatchNorm2d], None],
) -> list[Tensor]:
    """Set the `layers` within a part of the network one after another; returns what the part makes of the `states`."""
    for layer in layers:
        assert isinstance(layer, nn.BatchNorm2d)
        moments = ChannelMoments()
        handle = layer.register_forward_pre_hook(lambda _, inputs, found=moments: found.add(inputs[0]))
        try:
            for state in states:
                part(state)
        finally:
            handle.remove()
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(torch.as_tensor(moments.mean))
        layer.running_var.copy_(torch.as_tensor(moments.variance))
        then(layer)
    return [part(state) for state in states]
