"""The loss along gradient steps of growing length, looked at from the path of ordinary training."""

import copy

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro.experiments.step_landscape.settings import COLUMNS, Settings
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Relative losses L(w - a g) / L(w), one row per mini-batch and step length a.

    The network is trained as its recipe says; the examined steps come on top and leave no trace. Raises `UserError`
    when there are fewer training images than a mini-batch holds.
    """
    step_lengths = np.geomspace(settings.step_minimum, settings.step_maximum, settings.points)
    trained = trainee(snapshot)
    curves = []
    for step in range(1, max(settings.mini_batches) + 1):
        images, labels = next(trained.batches)
        before = trained.gradient(images, labels)
        if step in settings.mini_batches:
            losses = losses_along_step(trained.network, images, labels, step_lengths)
            curve = pd.DataFrame({"step_length": step_lengths, "relative_loss": losses / before})
            curves.append(curve.assign(mini_batch=step, loss_before=before))
        trained.optimiser.step()
    return pd.concat(curves, ignore_index=True)[list(COLUMNS)]


def losses_along_step(
    network: nn.Module, images: Tensor, labels: Tensor, step_lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """L(w - a g) for each step length a, with w the parameters and g their `.grad`. Section 3.1, Figure 3.

    L is the mean cross-entropy of images float (batch, channel, y, x) and labels int64 (batch,), with the network in
    the mode it is in. Returns shape (step length,). Works on a copy: the network and its running averages are
    untouched.
    """
    trial = copy.deepcopy(network)
    losses = []
    with torch.no_grad():
        for length in step_lengths:
            for moved, parameter in zip(trial.parameters(), network.parameters(), strict=True):
                assert parameter.grad is not None
                moved.copy_(parameter - float(length) * parameter.grad)
            losses.append(functional.cross_entropy(trial(images), labels).item())
    return np.array(losses)
