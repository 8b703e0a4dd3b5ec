"""Capturing what flows through chosen layers of a network, by the paper's layer numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.networks import ResidualNetwork


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
    outputs: dict[int, Tensor] = {}
    handles = [_on_forward(network.layer(number), number, {}, outputs) for number in layers]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


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


def _on_forward(
    module: nn.Module, number: int, inputs: dict[int, Tensor], outputs: dict[int, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    def keep(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        inputs[number] = arguments[0]
        outputs[number] = output

    return module.register_forward_hook(keep)
