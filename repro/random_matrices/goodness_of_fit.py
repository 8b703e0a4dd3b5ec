"""Does a spectrum fit the limiting law?  A distance and a p-value that minds what random-matrix spectra are.

Singular values of one matrix repel each other: they lie so evenly that the distance to the limiting law is of order
1/N, not 1/sqrt(N), and the p-value of a Kolmogorov-Smirnov test for independent values is always close to one, right
law or wrong.  At finite N the spectrum also has a bias of order 1/N against its limit.  Both are minded here by
comparing like with like: the distance of each observed spectrum to the law is ranked among the distances of spectra
of Gaussian products of the same N and M.  The hypothesis tested is "these spectra are draws from that ensemble"; the
distance says how far the limit still is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu

from repro.random_matrices.laws import checked_factors, singular_value_law

Array = NDArray[np.float64]


class GoodnessOfFit(NamedTuple):
    """`distances` of the observed spectra and `reference_distances`, each sup |F_N - F|; one-sided rank-test
    p-value.
    """

    distances: Array
    reference_distances: Array
    p_value: float


def distance_to_law(singular_values: ArrayLike, factors: int, *, scale: float = 1.0) -> Array:
    """Kolmogorov's sup |F_N(y) - F(y)| between each spectrum and the limiting law of a product of M factors.

    Args:
        singular_values: (..., N), any order.
        factors: M >= 1.
        scale: product of the factors' s_i, the square roots of N times their entries' variances.

    Returns:
        (...,) distances between 0 and 1.

    Raises:
        ValueError: for an empty spectrum, values that are negative or not finite, M or a scale out of range.
    """
    values = np.asarray(singular_values, dtype=float)
    if values.ndim < 1 or values.size == 0 or not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError("a spectrum must hold at least one singular value, all finite and not negative.")
    factors = checked_factors(factors)
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be finite and positive, got {scale}.")
    values, size = np.sort(values, axis=-1), values.shape[-1]
    expected = singular_value_law.cdf(values, factors, scale=scale)
    above = np.arange(1, size + 1) / size - expected
    below = expected - np.arange(size) / size
    return np.asarray(np.maximum(above, below).max(axis=-1))


def goodness_of_fit(observed: ArrayLike, reference: ArrayLike, factors: int, *, scale: float = 1.0) -> GoodnessOfFit:
    """Test whether observed spectra are further from the limiting law than spectra of Gaussian products of the same
    size.

    Under the hypothesis all distances are independent and equally distributed, whatever N and M, so the one-sided
    Mann-Whitney rank test is exact.  With n observed and r reference spectra the smallest p-value is 1/binom(n + r, n).

    Args:
        observed: (draws, N) spectra.
        reference: (reference draws, N) spectra of `gaussian_product_spectra` with this N and M, another seed, scale 1.
        factors: M.
        scale: of the observed spectra: product of the s_i.

    Raises:
        ValueError: for shapes that do not match or fewer than two reference spectra; and as `distance_to_law`.
    """
    seen, known = np.atleast_2d(np.asarray(observed, dtype=float)), np.asarray(reference, dtype=float)
    if seen.ndim != 2 or known.ndim != 2 or seen.shape[1] != known.shape[1] or len(known) < 2:
        raise ValueError(
            f"spectra must be (draws, N), one N and two reference draws or more, got {seen.shape} and {known.shape}."
        )
    distances, reference_distances = distance_to_law(seen, factors, scale=scale), distance_to_law(known, factors)
    test = mannwhitneyu(distances, reference_distances, alternative="greater", method="exact")
    return GoodnessOfFit(distances, reference_distances, float(test.pvalue))
