"""Singular values of products of Gaussian matrices, and of the products their fit to the law is ranked among."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.experiments.product_spectra.settings import Settings
from repro.machine.progress import track
from repro.random_matrices import gaussian_factors, gaussian_product_spectra

REFERENCE_DRAWS = 20  # with ten draws the smallest p-value is 3e-8


def measure(settings: Settings) -> pd.DataFrame:
    """All singular values of all products X_1 ... X_M, one row each."""
    parts = []
    for factors in track(settings.factors, "numbers of factors"):
        samples = {
            "drawn": gaussian_product_spectra(size=settings.size, factors=factors, draws=settings.draws, seed=0),
            "reference": _plain_spectra(settings.size, factors, REFERENCE_DRAWS),
        }
        for sample, spectra in samples.items():
            parts.append(
                pd.DataFrame(
                    {
                        "size": settings.size,
                        "factors": factors,
                        "sample": sample,
                        "draw": np.repeat(np.arange(len(spectra)), settings.size),
                        "singular_value": spectra.ravel(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _plain_spectra(size: int, factors: int, draws: int) -> NDArray[np.float64]:
    """(draws, N) singular values of explicit products; seeds of their own."""
    spectra = []
    for draw in range(draws):
        product, *others = gaussian_factors([size] * (factors + 1), seed=np.random.SeedSequence([1, draw]))
        for factor in others:
            product = product @ factor
        spectra.append(np.linalg.svd(product, compute_uv=False))
    return np.array(spectra)
