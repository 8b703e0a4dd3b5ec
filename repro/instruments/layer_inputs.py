"""What a layer receives, which parameters that depends on, and passes that leave a network's buffers alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from repro.networks.residual import ResidualNetwork

T = TypeVar("T")


@contextmanager
def kept_buffers(network: nn.Module) -> Iterator[None]:
    """At its end the network's buffers, like running averages, are what they were at its beginning.

    In training mode every pass moves the running averages of batch normalisation; a second look at the same network
    would find others, and with Batch Renormalization other activations.
    """
    before = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, kept in zip(network.buffers(), before, strict=True):
                buffer.copy_(kept)


def reduce_inputs(
    network: ResidualNetwork, images: Tensor, layers: Iterable[int], reduce: Callable[[Tensor], T]
) -> dict[int, T]:
    """`reduce` of what each layer receives in one forward pass without gradients, by the paper's layer numbers.

    A convolution's input has shape (batch, channel, y, x), the classifier's (batch, channel). The network runs in the
    mode it is in, and its buffers stay as they are.
    """
    with torch.no_grad():
        return _reduced(network, images, layers, reduce)


def channel_moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """mean_c and standard deviation (divided by n) of each channel over batch and space, both float64 (channel,).

    `values`: float (batch, channel, y, x) or (batch, channel). The deviation is exactly 0 where all values of a channel
    are equal, like those of a unit that is never active.
    """
    dimensions = [dimension for dimension in range(values.ndim) if dimension != 1]
    variance, mean = torch.var_mean(values.double(), dim=dimensions, correction=0)
    constant = values.amax(dim=dimensions) == values.amin(dim=dimensions)
    return mean, variance.sqrt().masked_fill(constant, 0.0)


def earlier_parameters(
    network: ResidualNetwork, images: Tensor, layers: Iterable[int]
) -> dict[int, list[nn.Parameter]]:
    """The parameters that each layer's input is a function of: all that come before it in the forward pass.

    For a block's first convolution these are the kernels, normalisation parameters and shortcuts of all blocks before
    and of layer 1; for its second convolution also the first one's kernel and normalisation, but not the block's own
    shortcut, which runs beside it; for layer 1 there are none. Read off the graph of derivatives of one pass of
    `images`, float (batch, 3, y, x), of which two are enough, so that it holds for every kind of network. The buffers
    stay as they are.
    """
    parameters = list(network.parameters())

    def of(received: Tensor) -> list[nn.Parameter]:
        if not received.requires_grad:
            return []
        parts = torch.autograd.grad(received.sum(), parameters, allow_unused=True, retain_graph=True)
        return [parameter for parameter, part in zip(parameters, parts, strict=True) if part is not None]

    return _reduced(network, images, layers, of)


def _reduced(
    network: ResidualNetwork, images: Tensor, layers: Iterable[int], reduce: Callable[[Tensor], T]
) -> dict[int, T]:
    reduced: dict[int, T] = {}

    def hook(number: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            reduced[number] = reduce(arguments[0])

        return keep

    handles = [network.layer(number).register_forward_pre_hook(hook(number)) for number in layers]
    try:
        with kept_buffers(network):
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return reduced
