"""Figure 5's moments of one network."""

import pandas as pd

from repro.experiments.activations_in_training.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.instruments.log_moments import mean_logarithm
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Mean over channels c of ln|mean_c| and of ln(std_c) of each layer's raw output, one row per layer. Figure 5."""
    images, _ = snapshot.mini_batch()
    layers = range(1, snapshot.recipe.depth + 1)
    moments = probes.reduce_outputs(snapshot.network, images, layers, probes.channel_moments)
    rows = [
        (snapshot.recipe.learning_rate, layer, mean_logarithm(mean.cpu()), mean_logarithm(variance.sqrt().cpu()))
        for layer, (mean, variance) in moments.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
