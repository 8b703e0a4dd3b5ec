"""How far the summands of each kernel entry's gradient cancel."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.experiments.single_parameters.settings import COLUMNS, PAPER_LAYERS, PERCENTS, Settings
from repro.instruments import probes
from repro.instruments.summands import entry_sizes
from repro.networks.layers import equivalent_layer
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Percentiles over kernel entries of (1/n) sum |d| / |(1/n) sum d|, one row per layer; the columns are `COLUMNS`.

    d is what one image and place adds to one entry's gradient, as in Table 1, for one mini-batch that the seed draws,
    not augmented, in training mode.
    """
    network, depth = snapshot.network, snapshot.recipe.depth
    layers = settings.layers or [equivalent_layer(layer, depth) for layer in PAPER_LAYERS]
    _, records = probes.capture_gradients(network, *snapshot.mini_batch(), layers)
    rows = []
    for layer, record in records.items():
        summands, absolute, signed = entry_sizes(network.layer(layer), record)
        ratios, undefined = cancellations(absolute.cpu().numpy(), signed.cpu().numpy())
        rows.append((depth, layer, summands, absolute.numel(), undefined, *percentiles(ratios)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def cancellations(absolute: NDArray[np.float64], signed: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """sum |d| / |sum d| of the entries that have one, float64 (entry,), and how many have none, all d being 0.

    `absolute` and `signed` are sum |d| and |sum d|, of any one shape. At least 1, but for rounding; infinite where d
    cancels exactly; NaN where a sum is not finite.
    """
    absolute, signed = absolute.ravel(), signed.ravel()
    defined = ~((absolute == 0) & (signed == 0))
    with np.errstate(all="ignore"):
        return absolute[defined] / signed[defined], int((~defined).sum())


def percentiles(ratios: NDArray[np.float64]) -> list[float]:
    """The `PERCENTS` of ratios (entry,): the smallest that so many per cent do not exceed; NaN with one or none."""
    if not len(ratios) or np.isnan(ratios).any():
        return [float("nan")] * len(PERCENTS)
    # A value of the sample and no mean of two, one of which may be infinite.
    return np.percentile(ratios, PERCENTS, method="inverted_cdf").tolist()
