"""Moments of activations by depth while a network trains: Figure 5, continued beyond initialisation."""

import math

import torch
from torch import Tensor

from repro import probes
from repro.config import Condition, Training
from repro.networks import ResidualNetwork


def epochs_to_look(settings: Training, condition: Condition) -> set[int]:
    """Completed epochs after which moments are recorded: the first to reach each share of the cycle."""
    return {math.ceil(share * condition.epochs) for share in settings.moments_after}


def by_depth(network: ResidualNetwork, images: Tensor) -> list[dict[str, float]]:
    """Mean over channels c of ln|mean_c| and of ln(std_c) of each layer's raw output; one row per layer. Figure 5.

    `images`: float (batch, 3, y, x). Batch normalisation uses their statistics, and its running averages move: keep
    them if they matter. A channel whose moment is zero is left out; a layer without any other has NaN.
    """
    network.train()
    moments = probes.reduce_outputs(network, images, range(1, network.depth + 1), probes.channel_moments)
    return [
        {
            "layer": layer,
            "log_mean": _mean_logarithm(mean.abs()),
            "log_standard_deviation": _mean_logarithm(variance.sqrt()),
        }
        for layer, (mean, variance) in moments.items()
    ]


def _mean_logarithm(values: Tensor) -> float:
    return torch.log(values[values != 0]).mean().item()
