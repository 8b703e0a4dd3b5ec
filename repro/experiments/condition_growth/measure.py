"""Extreme singular values of ever longer products of Gaussian matrices."""

import numpy as np
import pandas as pd

from repro.experiments.condition_growth.settings import Settings
from repro.machine.errors import UserError
from repro.machine.progress import track
from repro.random_matrices import condition_against_depth


def measure(settings: Settings) -> pd.DataFrame:
    """Largest and smallest singular value of each product X_1 ... X_M, one row per size, number of factors and draw."""
    factors = sorted(set(settings.factors))
    parts = []
    for size in track(settings.sizes, "sizes"):
        try:
            smallest, largest = condition_against_depth(size, factors, settings.draws, seed=0)  # (draw, factors)
        except ValueError as error:
            raise UserError(
                f"experiments.condition_growth: for size {size}, {str(error).rstrip('.')}; choose smaller factors."
            ) from None
        part = pd.DataFrame(
            {
                "size": size,
                "factors": np.tile(factors, settings.draws),
                "draw": np.repeat(np.arange(settings.draws), len(factors)),
                "log10_largest": np.log10(largest).ravel(),
                "log10_smallest": np.log10(smallest).ravel(),
            }
        )
        parts.append(part.assign(log10_condition=part["log10_largest"] - part["log10_smallest"]))
    return pd.concat(parts, ignore_index=True)
