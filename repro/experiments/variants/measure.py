"""Growth of activations, independence of gradients from the input and conditioning of channels, of one network."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from torch import Tensor

from repro.experiments.variants.settings import COLUMNS, PAPER_LAYER, Settings
from repro.instruments import probes
from repro.instruments.conditioning import conditioning
from repro.instruments.layer_inputs import kept_buffers
from repro.instruments.log_moments import mean_logarithm, rise
from repro.instruments.summands import summand_sizes
from repro.networks.layers import equivalent_layer
from repro.training.snapshots import Snapshot

AT_ENDS = 4  # convolutions whose median condition number is taken at each end


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Three numbers of a network, a row: what Figure 5, Table 1 and the channels' conditioning say of it, each in one.

    As in the studies of these: of raw outputs of convolutions, for one mini-batch that the seed draws, not augmented,
    in training mode. Running averages, by which Batch Renormalization normalises in part, stay as they are.
    """
    network, depth = snapshot.network, snapshot.recipe.depth
    images, labels = snapshot.mini_batch()
    layer = settings.layer or equivalent_layer(PAPER_LAYER, depth)
    with kept_buffers(network):
        found = probes.reduce_outputs(network, images, range(1, depth), _of_output)
    with kept_buffers(network):
        _, records = probes.capture_gradients(network, images, labels, [layer])
    _, a, b = summand_sizes(network.layer(layer), records[layer])
    deviations, conditions = zip(*found.values(), strict=True)
    per_stage = (depth - 2) // 3
    row = (depth, layer, rise(deviations), a / b if b > 0 else np.nan, decades(conditions[1:], per_stage))
    return pd.DataFrame([row], columns=list(COLUMNS))


def _of_output(output: Tensor) -> tuple[float, float]:
    """Mean over channels of ln(standard deviation), and the condition number of the second moments."""
    _, variance = probes.channel_moments(output)
    return mean_logarithm(variance.sqrt().cpu()), conditioning(output)["condition_second_moment"]


def decades(conditions: ArrayLike, per_stage: int) -> float:
    """log10 of the median condition number of the last four convolutions, minus that of the first four.

    `conditions`: float (layer,), of the convolutions from layer 2 on; `per_stage`: how many there are in a stage, of
    which no more are taken. NaN where one of these is NaN, or both medians are infinite.
    """
    values, count = np.asarray(conditions, dtype=float), min(AT_ENDS, per_stage)
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        return float(np.log10(np.median(values[-count:])) - np.log10(np.median(values[:count])))
