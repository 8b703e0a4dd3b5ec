"""How many directions or channels a quantity is spread over."""

import numpy as np
from numpy.typing import ArrayLike


def effective_rank(values: ArrayLike) -> float:
    """exp(-sum p ln p) with p = values / sum of values: n for n equal values, 1 when one value carries everything.

    `values`: singular values, eigenvalues or shares, any shape, not negative beyond rounding. Returns NaN when one is
    not finite or all are zero. Roy and Vetterli 2007, "The effective rank", definition 1.
    """
    clipped = np.clip(np.asarray(values, dtype=np.float64), 0, None)
    total = clipped.sum()
    if not np.isfinite(total) or total == 0:
        return float("nan")
    shares = clipped[clipped > 0] / total
    shares = shares[shares > 0]  # a quotient may underflow
    return float(np.exp(-(shares * np.log(shares)).sum()))
