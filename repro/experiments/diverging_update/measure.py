"""Training until an update diverges, and the moments of every channel along that update."""

import copy
import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.experiments.diverging_update.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.networks.layers import equivalent_layer
from repro.networks.residual import ResidualNetwork
from repro.training.first_steps import Trainee, trainee
from repro.training.snapshots import Snapshot

PAPER_LAYERS = (8, 44, 80)
LOSS_THRESHOLD = 1e3  # nats; an update after which its mini-batch's loss exceeds this diverges, an untrained one is 2.3


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Channel moments along the network's diverging update, one row per position, layer and channel.

    The network is trained as its recipe says, at a rate that should be too large. Raises `UserError` when there are
    fewer training images than a mini-batch holds.
    """
    depth = snapshot.recipe.depth
    layers = settings.layers or [equivalent_layer(layer, depth) for layer in PAPER_LAYERS]
    positions = np.linspace(0, 1, settings.points).tolist()
    trained = trainee(snapshot)
    step, diverged, before, images, labels = train_until_divergence(trained, LOSS_THRESHOLD, settings.maximum_steps)
    moments = moments_along_update(before, trained.network, images, labels, positions, layers)
    status = "diverged" if diverged else "not diverged"
    return moments.assign(status=status, step=step, learning_rate=trained.learning_rate)[list(COLUMNS)]


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
    step, diverged = 0, False
    while step < maximum_steps and not diverged:
        step += 1
        images, labels = next(trained.batches)
        loss_before = trained.gradient(images, labels)
        before = copy.deepcopy(trained.network)
        trained.optimiser.step()
        with torch.no_grad():
            loss_after = functional.cross_entropy(trained.network(images), labels).item()
        diverged = diverges(loss_before, loss_after, threshold)
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
            mean, variance = (moment.cpu().numpy() for moment in probes.channel_moments(outputs[layer]))
            part = pd.DataFrame({"channel": np.arange(len(mean)), "mean": mean, "variance": variance})
            parts.append(part.assign(position=position, layer=layer, loss=loss))
    return pd.concat(parts, ignore_index=True)
