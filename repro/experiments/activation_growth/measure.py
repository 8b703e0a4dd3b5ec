"""Moments of every channel of every layer."""

import numpy as np
import pandas as pd

from repro.experiments.activation_growth.settings import Settings
from repro.instruments import probes
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Mean and variance of each channel of each layer's raw output, one row per layer and channel."""
    images, _ = snapshot.mini_batch()
    layers = range(1, snapshot.recipe.depth + 1)
    moments = probes.reduce_outputs(snapshot.network, images, layers, probes.channel_moments)
    parts = []
    for layer, (channel_means, channel_variances) in moments.items():
        mean, variance = channel_means.cpu().numpy(), channel_variances.cpu().numpy()
        columns = {"layer": layer, "channel": np.arange(len(mean)), "mean": mean, "variance": variance}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
