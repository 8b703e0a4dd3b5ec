"""Theorem 1's law as a table."""

import numpy as np
import pandas as pd

from repro.experiments.limiting_spectrum.settings import Settings
from repro.random_matrices import singular_value_law, squared_singular_value_law

POINTS = 400
SMALLEST = 1e-6  # share of the spectrum left out at the lower end, where the densities have no bound


def measure(settings: Settings) -> pd.DataFrame:
    """The law's densities at points spread evenly over its support, and finely towards zero, for each M."""
    # Evenly in log-probability below one half, evenly in angle above, where the density ends like a square root.
    tail = np.geomspace(SMALLEST, 0.5, POINTS // 2, endpoint=False)
    probability = np.concatenate([tail, 0.5 + 0.5 * np.sin(np.linspace(0, np.pi / 2, POINTS // 2))])
    parts = []
    for factors in settings.factors:
        squared, plain = squared_singular_value_law(factors=factors), singular_value_law(factors=factors)
        values = squared.ppf(probability)
        parts.append(
            pd.DataFrame(
                {
                    "factors": factors,
                    "probability": probability,
                    "squared_singular_value": values,
                    "squared_density": squared.pdf(values),
                    "singular_value": np.sqrt(values),
                    "density": plain.pdf(np.sqrt(values)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
