"""Which learning rates a network survives."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from repro.experiments.stable_rate.settings import (
    COLUMNS,
    DIVERGED,
    LEAST_LAST,
    NOT_BELOW,
    NOT_TRIED,
    SURVIVED,
    Settings,
)
from repro.training.descent import DIVERGENCE_FACTOR, DIVERGENCE_LOSS
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """What becomes of the network at each rate r, one row each; the columns are `COLUMNS`.

    L_k is the loss of mini-batch k = 0, ..., n of ordinary training after k updates at the constant rate r, and L_k(0)
    that of the same mini-batch before any update. r is *survived* when every L_k is finite and, as in training, none
    exceeds both 1000 and 10 L_0, and when the mean of the last tenth of L_1, ..., L_n, at least 5, is below that of
    the same mini-batches' L_k(0). L_0 itself is not what it is compared with: after few updates at a small rate, one
    mini-batch differs from others by more than what was learnt, and chance would decide.

    Rates ascend, and none is tried after the first that is not survived: the largest rate of a network is the one up
    to which it survives all. A larger one that it would survive by chance, or dead, is none to train with.

    Raises `UserError` when there are fewer training images than a mini-batch holds.
    """
    count = last_mini_batches(settings.updates)
    first = untrained_loss(snapshot, settings.updates + 1 - count, settings.updates + 1)
    rows = []
    alive = True
    for rate in settings.rates:
        status, made, last = NOT_TRIED, 0, math.nan
        if alive:
            losses = list(training_losses(snapshot, rate, settings.updates))
            made = len(losses) - 1
            status, last = outcome(losses, first, count)
            alive = status == SURVIVED
        rows.append((snapshot.recipe.depth, rate, status, settings.updates, made, first, last))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def last_mini_batches(updates: int) -> int:
    """How many mini-batches at the end count: a tenth of the updates, rounded up, and at least `LEAST_LAST`."""
    return max(LEAST_LAST, math.ceil(updates / 10))


def bearable(loss: float, first: float) -> bool:
    """Whether a loss is finite and below the limit of training: 1000, or ten times the first mini-batch's loss."""
    return math.isfinite(loss) and loss <= max(DIVERGENCE_LOSS, DIVERGENCE_FACTOR * first)


def training_losses(snapshot: Snapshot, rate: float, updates: int) -> Iterator[float]:
    """L_0, ..., L_n of n `updates` at a constant rate, or up to the first loss that is not `bearable`.

    The mini-batches, their augmentation, momentum and weight decay are those of training.
    """
    trained = trainee(snapshot)
    trained.optimiser.param_groups[0]["lr"] = rate
    first = None
    for images, labels in itertools.islice(trained.batches, updates + 1):
        loss = trained.gradient(images, labels)
        yield loss
        first = loss if first is None else first
        if not bearable(loss, first):
            return
        trained.optimiser.step()


@torch.no_grad()
def untrained_loss(snapshot: Snapshot, start: int, end: int) -> float:
    """Mean cross-entropy of mini-batches `start` to `end` - 1 of training before any update, in training mode, nats."""
    trained = trainee(snapshot)
    chosen = itertools.islice(trained.batches, start, end)
    losses = [functional.cross_entropy(trained.network(images), labels).item() for images, labels in chosen]
    return float(np.mean(losses))


def outcome(losses: Sequence[float], first: float, count: int) -> tuple[str, float]:
    """The status of a network with the losses of `training_losses`, and its last loss.

    That is the mean of the last `count`, which has to be below `first`; of a diverged network the one that ended it.
    """
    if not bearable(losses[-1], losses[0]):
        return DIVERGED, losses[-1]
    last = float(np.mean(losses[-count:]))
    return SURVIVED if last < first else NOT_BELOW, last
