"""SGD and the loss along a step written out by hand in float64; only the network's definition is shared."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

Weights = dict[str, Tensor]


def loss(network: nn.Module, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
    """Mean over the images of -ln(softmax(logits)[label]), with running averages thrown away."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    logits = functional_call(network, weights | buffers, (images.double(),))
    return -functional.log_softmax(logits, dim=1)[torch.arange(len(labels)), labels].sum() / len(labels)


def gradient(network: nn.Module, weights: Weights, images: Tensor, labels: Tensor) -> Weights:
    tracked = {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()}
    parts = torch.autograd.grad(loss(network, tracked, images, labels), list(tracked.values()))
    return dict(zip(tracked, parts, strict=True))


def training(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> list[Weights]:
    """The weights before each of the mini-batches, and after the last; `network` is float64 and in training mode."""
    weights = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    velocity = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    history = [weights]
    for images, labels in batches:
        slopes = gradient(network, weights, images, labels)
        for name in velocity:
            velocity[name] = momentum * velocity[name] + slopes[name] + weight_decay * weights[name]
        weights = {name: weights[name] - learning_rate * velocity[name] for name in weights}
        history.append(weights)
    return history
