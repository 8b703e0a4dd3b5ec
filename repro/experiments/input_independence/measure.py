"""Sizes of the summands of kernels' gradients, and of their means."""

import numpy as np
import pandas as pd

from repro.experiments.input_independence.settings import COLUMNS, PAPER_LAYERS, Settings
from repro.instruments import probes
from repro.instruments.summands import summand_sizes
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
