"""Sizes of the summands of kernels' gradients, and of their means."""

import numpy as np
import pandas as pd
from torch import Tensor, nn

from repro.experiments.input_independence.settings import COLUMNS, PAPER_LAYERS, Settings
from repro.instruments import probes
from repro.networks.layers import equivalent_layer
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """n, a, b and a/b, one row per layer."""
    network, depth = snapshot.network, snapshot.recipe.depth
    layers = settings.layers or [equivalent_layer(layer, depth) for layer in PAPER_LAYERS]
    _, records = probes.capture_gradients(network, *snapshot.mini_batch(), layers)
    rows = []
    for layer, record in records.items():
        summands, a, b = summand_sizes(network.layer(layer), record)
        # No gradient at all (b = 0), as behind an underflow, leaves the ratio undefined.
        rows.append((depth, layer, summands, a, b, a / b if b > 0 else np.nan))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summand_sizes(convolution: nn.Module, record: probes.LayerRecord) -> tuple[int, float, float]:
    """n, a = mean over kernel entries of (1/n) sum |d|, and b = mean over kernel entries of |(1/n) sum d|.

    |d| = |dL/dO| |I| factorises, so sum |d| is one more kernel gradient, of |I| and |dL/dO|; d itself, with as many
    numbers as inputs times kernel entries, is never formed. Where the kernel hangs over the edge, d = 0. Table 1.
    """
    gradient = record.output_gradient  # (batch, out, y, x)
    summands = gradient.shape[0] * gradient.shape[2] * gradient.shape[3]

    def mean_over_entries(inputs: Tensor, output_gradient: Tensor) -> float:
        return probes.kernel_gradient(convolution, inputs, output_gradient).abs().mean().item() / summands

    return summands, mean_over_entries(record.input.abs(), gradient.abs()), mean_over_entries(record.input, gradient)
