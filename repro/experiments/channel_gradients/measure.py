"""The gradient of one kernel summed over its positions, and what its channels hold."""

import numpy as np
import pandas as pd
from torch import Tensor

from repro.experiments.channel_gradients.settings import COLUMNS, PAPER_LAYER, Settings
from repro.instruments import probes
from repro.networks.layers import equivalent_layer
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """M[i,o] and the channels' moments of one layer, one row per input channel i and output channel o."""
    layer = settings.layer or equivalent_layer(PAPER_LAYER, snapshot.recipe.depth)
    _, records = probes.capture_gradients(snapshot.network, *snapshot.mini_batch(), [layer])
    record = records[layer]
    gradient = probes.kernel_gradient(snapshot.network.layer(layer), record.input, record.output_gradient)
    magnitudes = channel_magnitudes(gradient)
    inputs, outputs = np.indices(magnitudes.shape, dtype=np.int16).reshape(2, -1)
    table = pd.DataFrame({"layer": layer, "input_channel": inputs, "output_channel": outputs})
    table["magnitude"] = magnitudes.cpu().numpy().ravel()
    table["input_mean"] = _channel_means(record.input)[inputs]
    table["output_gradient"] = _channel_means(record.output_gradient.abs())[outputs]
    return table[list(COLUMNS)]


def channel_magnitudes(kernel_gradient: Tensor) -> Tensor:
    """M[i,o] = sum over y', x' of |G[o,i,y',x']|; (out, in, y, x) -> (in, out). Figure 7."""
    return kernel_gradient.abs().sum(dim=(2, 3)).T


def _channel_means(values: Tensor) -> np.ndarray:
    """Mean over batch and space, in float64: (batch, channel, y, x) -> (channel,)."""
    return values.double().mean(dim=(0, 2, 3)).cpu().numpy()
