"""Figure 4: what one diverging update does to the channels of a network without batch normalisation.

`python -m repro measure diverging_update --config config/quick.yaml`; on a CPU core a ResNet-110 takes 4 s per training
step until an update diverges, then 1 s per position. What should come out: along the update channel means of both
signs and channel variances explode, the more the deeper the layer.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro import datasets, devices, probes
from repro.config import Configuration
from repro.experiments.activation_growth import channel_moments
from repro.experiments.first_steps import Trainee, trainee
from repro.networks import ResidualNetwork, equivalent_layer
from repro.progress import track

COLUMNS = {
    "seed": "seed of the network's weights, of the order of its mini-batches and of their augmentation",
    "status": "`diverged`, or `not diverged` when no update did within `maximum_steps`; the update is then the last",
    "step": "training step, from 1, that made the update",
    "learning_rate": "learning rate of the training",
    "position": "place along the update from 0 (weights before) to 1 (weights after)",
    "layer": "layer by the paper's numbers",
    "channel": "output channel of the layer",
    "mean": "mean of the raw output over batch and space, on the mini-batch of the update; not finite: float32 overflow",
    "variance": "variance (divided by n) of the same",
    "loss": "mean cross-entropy of the mini-batch at this position, nats",
}

PAPER_LAYERS = (8, 44, 80)
# Read off the published plots: layer -> lowest and highest channel mean, highest channel variance.
PUBLISHED = {8: (-0.9, 1.4, 1.0), 44: (-3900.0, 2700.0, 5.4e6), 80: (-3e8, 1.9e8, 5.5e16)}


def diverges(loss_before: float, loss_after: float, threshold: float) -> bool:
    """Whether an update has raised its own mini-batch's loss above `threshold`, or to no finite number. Figure 4.

    A deep network without BN may begin with a loss above the threshold; an update that lowers it does not diverge.
    """
    return not math.isfinite(loss_after) or loss_after > max(threshold, loss_before)


def train_until_divergence(
    trained: Trainee, threshold: float, maximum_steps: int
) -> tuple[int, bool, ResidualNetwork, Tensor, Tensor]:
    """Train until an update diverges, or for `maximum_steps`.

    Returns the number of the last step, whether its update diverged, a copy of the network before that update, and
    the mini-batch's images and labels; `trained.network` has the weights after it.
    """
    for step in range(1, maximum_steps + 1):
        images, labels = next(trained.batches)
        loss_before = trained.gradient(images, labels)
        before = copy.deepcopy(trained.network)
        trained.optimiser.step()
        with torch.no_grad():
            loss_after = functional.cross_entropy(trained.network(images), labels).item()
        diverged = diverges(loss_before, loss_after, threshold)
        if diverged:
            break
    return step, diverged, before, images, labels


def moments_along_update(
    before: ResidualNetwork, after: nn.Module, images: Tensor, labels: Tensor, positions: list[float], layers: list[int]
) -> pd.DataFrame:
    """Moments of every channel of the raw outputs of `layers` at weights w_before + position (w_after - w_before).

    One row per position, layer and channel with the mini-batch's loss; `position` 0 and 1 have exactly the weights
    before and after. Moments are float64 from float32 outputs. Works on a copy of the networks.
    """
    trial = copy.deepcopy(before)
    depth = trial.depth
    parts = []
    for position in positions:
        with torch.no_grad():
            weights = zip(trial.parameters(), before.parameters(), after.parameters(), strict=True)
            for moved, start, end in weights:
                moved.copy_(torch.lerp(start, end, position))
        outputs = probes.layer_outputs(trial, images, [*layers, depth])
        loss = functional.cross_entropy(outputs[depth], labels).item()
        for layer in layers:
            mean, variance = (moment.cpu().numpy() for moment in channel_moments(outputs[layer]))
            part = pd.DataFrame({"channel": np.arange(len(mean)), "mean": mean, "variance": variance})
            parts.append(part.assign(position=position, layer=layer, loss=loss))
    return pd.concat(parts, ignore_index=True)


def measure(configuration: Configuration) -> pd.DataFrame:
    """Channel moments along each network's diverging update, one row per seed, position, layer and channel.

    Networks without BN are trained as usual, with the momentum, weight decay and augmentation of `training`, at the
    too large rate of this experiment. Raises `UserError` when there are fewer training images than a mini-batch holds.
    """
    settings = configuration.experiments.diverging_update
    updates = track(_updates(configuration), "diverging updates", settings.seeds)
    return pd.concat(updates, ignore_index=True)[list(COLUMNS)]


def _updates(configuration: Configuration) -> Iterator[pd.DataFrame]:
    """One network after another."""
    settings = configuration.experiments.diverging_update
    device = devices.prepare(configuration.device)
    data = datasets.load(configuration.data)
    depth = settings.depth or configuration.network.depth
    layers = settings.layers or [equivalent_layer(layer, depth) for layer in PAPER_LAYERS]
    positions = np.linspace(0, 1, settings.points).tolist()
    for seed in range(settings.seeds):
        trained = trainee(configuration, data, device, "none", depth, settings.learning_rate, seed)
        step, diverged, before, images, labels = train_until_divergence(
            trained, settings.loss_threshold, settings.maximum_steps
        )
        moments = moments_along_update(before, trained.network, images, labels, positions, layers)
        status = "diverged" if diverged else "not diverged"
        yield moments.assign(seed=seed, status=status, step=step, learning_rate=settings.learning_rate)
