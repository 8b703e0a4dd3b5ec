"""Moments of layers' inputs, and what a step of the layers before does to a layer's gradient."""

import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.experiments.covariate_shift.settings import COLUMNS, Settings
from repro.instruments.layer_inputs import channel_moments, earlier_parameters, kept_buffers, reduce_inputs
from repro.machine.errors import UserError
from repro.networks.layers import equivalent_layer
from repro.networks.residual import ResidualNetwork
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot

ALL_UP_TO = 20  # depth up to which every layer is examined
# Of deeper networks: about ten, from the first to the last, first and second convolutions of blocks in turn, as the
# former receive the sum of all blocks before and the latter what has just been normalised.
PAPER_LAYERS = (2, 15, 26, 39, 50, 63, 74, 87, 98, 109, 110)


@dataclass(frozen=True)
class GradientShift:
    """|G|, |G - G'| and 1 - cosine of their angle, of one layer."""

    norm: float
    change: float
    cosine_gap: float


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """`channel_moments` of each layer's input and `gradient_shifts` of each layer, one row per layer and channel.

    Both are of training images that the seed draws, not augmented, in training mode; the network and its running
    averages stay as they are. Raises `UserError` when there are too few images.
    """
    depth, count = snapshot.recipe.depth, len(snapshot.data.train_images)
    if settings.images > count:
        raise UserError(
            f"The {settings.images} images for covariate_shift cannot be drawn from {count} training images; lower "
            "experiments.covariate_shift.images or raise images.train_images."
        )
    layers = layers_of(settings, depth)
    trained = trainee(snapshot)
    network, rate = trained.network, trained.learning_rate
    images, _ = snapshot.mini_batch(settings.images)
    moments = reduce_inputs(network, images, layers, channel_moments)
    shifts = gradient_shifts(network, *snapshot.mini_batch(), layers, rate)
    parts = []
    for layer in layers:
        mean, deviation = (moment.cpu().numpy() for moment in moments[layer])
        channels = {"channel": np.arange(len(mean)), "mean": mean, "standard_deviation": deviation}
        shift = shifts[layer]
        shifted = {"gradient_norm": shift.norm, "gradient_change": shift.change, "cosine_gap": shift.cosine_gap}
        parts.append(pd.DataFrame({"learning_rate": rate, "layer": layer} | channels | shifted))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def layers_of(settings: Settings, depth: int) -> list[int]:
    """The layers that are examined in a network, rising."""
    if settings.layers is not None:
        return sorted(settings.layers)
    if depth <= ALL_UP_TO:
        return list(range(2, depth + 1))
    return sorted({equivalent_layer(layer, depth) for layer in PAPER_LAYERS})


def gradient_shifts(
    network: ResidualNetwork, images: Tensor, labels: Tensor, layers: list[int], rate: float
) -> dict[int, GradientShift]:
    """|G_i|, |G_i - G'_i| and 1 - cos(G_i, G'_i) of layers i: Santurkar et al. 2018 (1805.11604), Definition 2.1.

    G_i = dL/dW_i (W_1, ..., W_k) and G'_i = dL/dW_i (W_1 - rate dL/dW_1, ..., W_{i-1} - rate dL/dW_{i-1}, W_i, ...,
    W_k), L being the mean cross-entropy of one and the same mini-batch: images float32 (batch, 3, y, x), labels int64
    (batch,). W_i are the layer's weights, and W_1 to W_{i-1} all of `earlier_parameters`. The step is one of plain
    gradient descent, without momentum and weight decay, so that it is a function of weights and mini-batch alone.
    Norms and angle in float64 from float32 gradients; 1 - cos = |G/|G| - G'/|G'||^2 / 2, which does not cancel. NaN
    where a gradient is zero or not finite. The network stays as it is.
    """
    trial = copy.deepcopy(network)

    def gradients(parameters: list[nn.Parameter]) -> tuple[Tensor, ...]:
        with kept_buffers(trial):  # until derivatives are taken, which need the buffers as they were used
            return torch.autograd.grad(functional.cross_entropy(trial(images), labels), parameters)

    parameters = list(trial.parameters())
    before = dict(zip(parameters, gradients(parameters), strict=True))
    found = {}
    for layer, earlier in earlier_parameters(trial, images[:2], layers).items():
        weights = _weights(trial.layer(layer))
        kept = [parameter.detach().clone() for parameter in earlier]
        with torch.no_grad():
            for parameter in earlier:
                parameter.sub_(rate * before[parameter])
        (after,) = gradients([weights])
        with torch.no_grad():
            for parameter, value in zip(earlier, kept, strict=True):
                parameter.copy_(value)
        found[layer] = _shift(before[weights], after)
    return found


def _weights(layer: nn.Module) -> nn.Parameter:
    """A layer's trained kernel or matrix, without the classifier's bias."""
    (weights,) = [parameter for parameter in layer.parameters() if parameter.ndim > 1]
    return weights


def _shift(before: Tensor, after: Tensor) -> GradientShift:
    old, new = before.double(), after.double()
    difference = old / old.norm() - new / new.norm()
    return GradientShift(old.norm().item(), (old - new).norm().item(), float((difference**2).sum() / 2))
