"""Capturing what flows through chosen layers of a network, by the paper's layer numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from repro.networks.residual import ResidualNetwork

T = TypeVar("T")


@dataclass(frozen=True)
class LayerRecord:
    """What one layer saw in one pass: for a convolution shapes are (batch, channel, y, x)."""

    input: Tensor
    output: Tensor
    output_gradient: Tensor  # derivative of the mini-batch's mean loss with respect to `output`


def layer_outputs(network: ResidualNetwork, images: Tensor, layers: Iterable[int]) -> dict[int, Tensor]:
    """Raw outputs of layers, before any normalisation and ReLU, of one forward pass without gradients.

    A convolution's output has shape (batch, channel, y, x), the classifier's (batch, class). The network runs in the
    mode it is in; in training mode batch normalisation uses the statistics of `images`.
    """
    return reduce_outputs(network, images, layers, lambda output: output)


def reduce_outputs(
    network: ResidualNetwork, images: Tensor, layers: Iterable[int], reduce: Callable[[Tensor], T]
) -> dict[int, T]:
    """`reduce` of each layer's raw output, as in `layer_outputs`, without keeping the outputs themselves.

    All layers of a ResNet-110 at once would take 0.7 GB for 128 images.
    """
    reduced: dict[int, T] = {}

    def hook(number: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            reduced[number] = reduce(output)

        return keep

    handles = [network.layer(number).register_forward_hook(hook(number)) for number in layers]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return reduced


def channel_moments(output: Tensor) -> tuple[Tensor, Tensor]:
    """mean_c = (1/n) sum O[b,c,y,x] and variance_c = (1/n) sum (O[b,c,y,x] - mean_c)^2, sums over b, y, x.

    `output`: float (batch, channel, y, x) or (batch, class). Returns two float64 tensors (channel,). Figures 4 and 5.
    """
    dimensions = [dimension for dimension in range(output.ndim) if dimension != 1]
    variance, mean = torch.var_mean(output.double(), dim=dimensions, correction=0)
    return mean, variance


def capture_gradients(
    network: ResidualNetwork, images: Tensor, labels: Tensor, layers: Iterable[int]
) -> tuple[float, dict[int, LayerRecord]]:
    """The mini-batch's mean cross-entropy, and for each layer its input, raw output and dL/d(output).

    The backward pass goes no further down than the lowest of `layers` and leaves no gradients in the parameters.
    """
    inputs: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    handles = [_on_forward(network.layer(number), number, inputs, outputs) for number in layers]
    try:
        loss = functional.cross_entropy(network(images), labels)
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(loss, list(outputs.values()))
    records = {
        number: LayerRecord(inputs[number].detach(), output.detach(), gradient)
        for (number, output), gradient in zip(outputs.items(), gradients, strict=True)
    }
    return loss.item(), records


def kernel_gradient(convolution: nn.Module, inputs: Tensor, output_gradient: Tensor) -> Tensor:
    """G[o,i,y',x'] = sum over b, y, x of dL/dO[b,o,y,x] * I[b,i,sy+y'-p,sx+x'-p], in float64; s: stride, p: padding.

    `inputs`: (batch, channel in, y, x); `output_gradient`: (batch, channel out, y / s, x / s), both of any float type.
    Returns the derivative of the loss with respect to the kernel, (out, in, y, x). Raises `TypeError` for a layer that
    is not a convolution.
    """
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError(f"a kernel gradient needs a convolution, not {type(convolution).__name__}")
    stride, padding = convolution.stride, convolution.padding
    shape = convolution.weight.shape
    return conv2d_weight(inputs.double(), shape, output_gradient.double(), stride, padding)


def _on_forward(
    module: nn.Module, number: int, inputs: dict[int, Tensor], outputs: dict[int, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    def keep(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        inputs[number] = arguments[0]
        outputs[number] = output

    return module.register_forward_hook(keep)
