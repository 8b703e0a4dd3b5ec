"""What a step of one layer does to the gradients of the others."""

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from repro.experiments.layer_coupling.settings import COLUMNS, Settings
from repro.instruments.layer_coupling import layer_coupling
from repro.instruments.layer_inputs import kept_buffers
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot

ALL_UP_TO = 20  # depth up to which every layer is compared
SPREAD = 10  # layers of deeper networks


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """`layer_coupling` of a network's convolutions, one row per pair; the columns are `COLUMNS`.

    For one mini-batch that the seed draws, not augmented, in training mode and at the rate of that moment; a step of
    plain gradient descent, without momentum and weight decay. Raises `UserError` when there are too few images.
    """
    trained = trainee(snapshot)
    network, rate = trained.network, trained.learning_rate
    images, labels = snapshot.mini_batch()
    layers = layers_of(settings, snapshot.recipe.depth)

    def loss() -> Tensor:
        return functional.cross_entropy(network(images), labels)

    kernels = []
    for layer in layers:
        (kernel,) = network.layer(layer).parameters()  # a convolution has no bias
        kernels.append(kernel)
    with kept_buffers(network):
        changes = layer_coupling(loss, kernels, rate).numpy()
    rows, columns = np.indices(changes.shape)
    numbers = np.array(layers)
    table = {"moved": numbers[columns.ravel()], "layer": numbers[rows.ravel()], "change": changes.ravel()}
    return pd.DataFrame({"learning_rate": rate} | table)[list(COLUMNS)]


def layers_of(settings: Settings, depth: int) -> list[int]:
    """The convolutions that are compared in a network of this depth, rising."""
    if settings.layers is not None:
        return sorted(set(settings.layers))
    if depth <= ALL_UP_TO:
        return list(range(1, depth))
    return sorted(set(np.linspace(1, depth - 1, SPREAD).round().astype(int).tolist()))
