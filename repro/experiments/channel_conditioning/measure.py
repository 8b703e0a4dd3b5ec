"""How well the channels of every convolution are conditioned."""

import pandas as pd

from repro.experiments.channel_conditioning.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.instruments.conditioning import conditioning
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """`conditioning` of every convolution's raw output, one row per layer."""
    images, _ = snapshot.mini_batch()
    found = probes.reduce_outputs(snapshot.network, images, range(1, snapshot.recipe.depth), conditioning)
    rows = [{"layer": layer} | values for layer, values in found.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))
