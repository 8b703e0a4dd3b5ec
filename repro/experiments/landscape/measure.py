"""Losses and gradients along a gradient step."""

import copy

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro.experiments.landscape.settings import COLUMNS, COMMON, OWN, Settings
from repro.experiments.step_landscape.measure import losses_along_step
from repro.instruments.gradient_noise import gradient
from repro.instruments.layer_inputs import kept_buffers
from repro.training.first_steps import trainee
from repro.training.schedule import epochs_after, learning_rate
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """`along_step` over multiples of the recipe's rate at that moment, and of the common one; one row per step.

    The mini-batch is one of the recipe's size that the seed draws, not augmented; the network is in training mode, and
    it and its running averages stay as they are. Raises `UserError` when there are too few training images.
    """
    trained, (images, labels) = trainee(snapshot), snapshot.mini_batch()
    with kept_buffers(trained.network):
        before = trained.gradient(images, labels)
    multiples = np.geomspace(settings.smallest, settings.largest, settings.points)
    rates = {OWN: rate_at(snapshot, snapshot.recipe.learning_rate)}
    if settings.rate is not None:
        rates[COMMON] = rate_at(snapshot, settings.rate)
    parts = []
    for steps, rate in rates.items():
        found = along_step(trained.network, images, labels, rate * multiples)
        parts.append(found.assign(steps=steps, rate=rate, loss_before=before))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def rate_at(snapshot: Snapshot, initial: float) -> float:
    """The learning rate at a snapshot's moment of its recipe's schedule, had that begun at `initial`."""
    recipe = snapshot.recipe.model_copy(update={"learning_rate": initial})
    return learning_rate(recipe, min(epochs_after(recipe, snapshot.after), recipe.epochs - 1))


def along_step(network: nn.Module, images: Tensor, labels: Tensor, step_lengths: NDArray[np.float64]) -> pd.DataFrame:
    """L(w - a g), |g| and |g - g'| for each step length a: one row each. Santurkar et al. 2018, Section 3, Figure 4.

    w are the parameters, g their `.grad`, and g' = dL/dw at w - a g, L being the mean cross-entropy of images float
    (batch, 3, y, x), labels int64 (batch,). Losses are those of Figure 3's `losses_along_step`. Each step is taken on
    a copy of its own, so that running averages are always those at w, and the network is untouched. Norms in float64
    of gradients in the network's own precision.
    """
    slopes = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    before = torch.cat([slope.flatten().double() for slope in slopes])
    rows = []
    for length in step_lengths:
        (loss,) = losses_along_step(network, images, labels, np.array([length]))
        moved = copy.deepcopy(network)
        with torch.no_grad():
            for parameter, slope in zip(moved.parameters(), slopes, strict=True):
                parameter.sub_(float(length) * slope)
        change = before - gradient(moved, images, labels)
        rows.append((length, loss, before.norm().item(), change.norm().item()))
    return pd.DataFrame(rows, columns=["step_length", "loss", "gradient_norm", "gradient_change"])
