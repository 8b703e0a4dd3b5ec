"""Figure 5's quantity: the mean over channels of the logarithm of a moment."""

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
