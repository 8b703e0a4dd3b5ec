"""The gradient of every weight of one kernel."""

import numpy as np
import pandas as pd

from repro.experiments.gradient_histogram.settings import COLUMNS, PAPER_LAYER, Settings
from repro.instruments import probes
from repro.networks.layers import equivalent_layer
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """dL/dK of every weight of one layer, one row per weight."""
    network, depth = snapshot.network, snapshot.recipe.depth
    layer = settings.layer or equivalent_layer(PAPER_LAYER, depth)
    _, records = probes.capture_gradients(network, *snapshot.mini_batch(), [layer])
    record = records[layer]
    gradient = probes.kernel_gradient(network.layer(layer), record.input, record.output_gradient)  # (out, in, y, x)
    indices = np.indices(gradient.shape, dtype=np.int16).reshape(4, -1)
    table = pd.DataFrame(dict(zip(("output_channel", "input_channel", "y", "x"), indices, strict=True)))
    table["gradient"] = gradient.float().cpu().numpy().ravel()
    return table.assign(depth=depth, layer=layer)[list(COLUMNS)]
