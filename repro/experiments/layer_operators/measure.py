"""Singular values of a network's convolutions as linear maps between zero-padded grids."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from repro.experiments.layer_operators.settings import COLUMNS, Settings
from repro.random_matrices import effective_rank_of_quadrature, zero_padded_quadrature, zero_padded_spectrum
from repro.training.snapshots import Snapshot

PROBES, STEPS = 5, 30  # of the quadrature; they give the effective rank to about half a percent


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Norm, smallest singular value, their ratio and effective rank of each convolution, one row per layer."""
    rows = []
    side = snapshot.data.train_images.shape[-1]
    for layer in range(1, snapshot.recipe.depth):
        convolution = snapshot.network.layer(layer)
        assert isinstance(convolution, nn.Conv2d)
        stride = convolution.stride[0]
        if (layer - 1) % settings.every == 0:
            weights = convolution.weight.detach().double().cpu().numpy()
            row = {"initialisation": snapshot.recipe.initialisation, "layer": layer, "side": side, "stride": stride}
            rows.append(row | _singular_values(weights, side, stride))
        side = -(-side // stride)  # of the next layer's input
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _singular_values(weights: NDArray[np.float64], side: int, stride: int) -> dict[str, float]:
    """What there is to say of the operator of a kernel (out, in, y, x) on a grid of `side` x `side` pixels."""
    quadrature = zero_padded_quadrature(weights, side, stride=stride, probes=PROBES, steps=STEPS)
    rank, error = effective_rank_of_quadrature(quadrature)
    try:
        norm, smallest, condition = zero_padded_spectrum(weights, side, stride=stride)
    except np.linalg.LinAlgError:
        norm, smallest, condition = float(quadrature.nodes.max()), np.nan, np.nan
    return {
        "channels_in": weights.shape[1],
        "channels_out": weights.shape[0],
        "dimension": quadrature.dimension,
        "norm": norm,
        "smallest": smallest,
        "condition": condition,
        "effective_rank": rank,
        "effective_rank_error": error,
    }
