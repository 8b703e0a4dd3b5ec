"""Spectral quadratures of a network's Jacobians, from one image to the states after its blocks and to the logits."""

import numpy as np
import pandas as pd

from repro.experiments.jacobian_spectra.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.instruments.jacobians import jacobian, with_fixed_statistics
from repro.instruments.log_moments import mean_logarithm
from repro.networks.layers import equivalent_layer
from repro.random_matrices import spectral_quadrature
from repro.training.snapshots import Snapshot

PAPER_LAYERS = (1, 13, 25, 37, 49, 61, 73, 91, 109)
PROBES = 2  # start vectors of the quadrature, the fewest that tell its error


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Nodes and weights with sum_k w_k f(sigma_k) = the mean of f over the Jacobian's singular values, about.

    One row per layer, start vector and node, with the layer's other quantities repeated in each.
    """
    network, (images, _) = snapshot.network, snapshot.mini_batch()
    depth = snapshot.recipe.depth
    layers = [*sorted({equivalent_layer(layer, depth) for layer in PAPER_LAYERS[:: settings.every]}), depth]
    moments = probes.reduce_outputs(network, images, layers, probes.channel_moments)
    fixed = with_fixed_statistics(network, images)
    parts = []
    for layer in layers:
        operator = jacobian(fixed, images[0], layer)
        dimension = min(operator.shape)
        steps = min(settings.steps, dimension)
        quadrature = spectral_quadrature(operator, probes=PROBES, steps=steps, seed=snapshot.seed)
        _, variance = moments[layer]
        parts.append(
            pd.DataFrame(
                {
                    "initialisation": snapshot.recipe.initialisation,
                    "layer": layer,
                    "log_std": mean_logarithm(variance.sqrt().cpu().numpy()),
                    "dimension": dimension,
                    "probe": np.repeat(np.arange(PROBES), steps),
                    "singular_value": quadrature.nodes.ravel(),
                    "weight": quadrature.weights.ravel(),
                    "bound": quadrature.bounds.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]
