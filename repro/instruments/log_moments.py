"""Figure 5's quantity: the mean over channels of the logarithm of a moment, and how it rises with depth."""

import numpy as np
from numpy.typing import ArrayLike


def mean_logarithm(values: ArrayLike) -> float:
    """(1/C) sum over channels c of ln|v_c|, over the channels with v_c != 0; NaN when one is not finite or all are 0.

    `values`: float (channel,), the channels' means or standard deviations. A moment that is exactly zero has no
    logarithm and is left out. Figure 5.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[sizes != 0]
    if not len(sizes) or not np.isfinite(sizes).all():
        return float("nan")
    return float(np.log(sizes).mean())


def rise(by_layer: ArrayLike) -> float:
    """Mean over the last tenth of the layers minus mean over the first tenth; NaN when a value in them is.

    `by_layer`: float (layer,), a logarithm at each convolution in order. A tenth is rounded down, at least one layer. A
    mean that skipped a layer which overflowed would be of other layers than another network's.
    """
    values = np.asarray(by_layer, dtype=np.float64)
    tenth = max(1, len(values) // 10)
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        return float(values[-tenth:].mean() - values[:tenth].mean())
