"""How the extreme singular values of a product of M Gaussian N x N matrices (entries of variance s^2/N) move with N
and M.

Large end: sigma_max stays near the edge y_M = s^M sqrt((M+1)^(M+1)/M^M), below sqrt(e(M+1)) s^M, with Tracy-Widom
fluctuations of relative size N^(-2/3).  Small end: for fixed M, N F(sigma_min) is of order one, hence sigma_min ~
N^(-(M+1)/2); for fixed N every log sigma_i grows linearly in M with its Lyapunov exponent

    mu_i = log s + (log(2/N) + psi((N - i + 1)/2)) / 2,      i = 1, ..., N,

so that the condition grows by a factor exp(mu_1 - mu_N) = exp((psi(N/2) - psi(1/2))/2) per matrix.

Sources: Newman, Commun. Math. Phys. 103 (1986) 121 (exponents); Akemann, Burda and Kieburg, J. Phys. A 47 (2014) 395202
(their fluctuations); Johnstone, Ann. Statist. 29 (2001) 295 and Bornemann, Markov Process. Relat. Fields 16 (2010) 803
(edge scaling, moments of the Tracy-Widom law).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma
from scipy.stats import t as student

from repro.random_matrices.checks import whole_number
from repro.random_matrices.laws import checked_factors, singular_value_law
from repro.random_matrices.sampling import gaussian_factors
from repro.random_matrices.spectra import in_processes, suffix_singular_values

Array = NDArray[np.float64]

_TRACY_WIDOM_MEAN, _TRACY_WIDOM_DEVIATION = -1.2065335745820, np.sqrt(1.6077810345810)  # beta = 1


class EdgeEstimate(NamedTuple):
    """Limit of the largest singular value and, at finite N, its approximate mean and standard deviation."""

    limit: float
    mean: float
    deviation: float


class GrowthRate(NamedTuple):
    """Decades of condition per factor: mean slope over the draws, its confidence interval, and the theory's slope."""

    slope: float
    low: float
    high: float
    theory: float


def lyapunov_exponents(size: int, *, scale: float = 1.0) -> Array:
    """mu_i = log s + (log(2/N) + psi((N - i + 1)/2))/2: the limits of log(sigma_i)/M for many factors.

    Args:
        size: N.
        scale: s, the same for every factor: entries of variance s^2/N.

    Returns:
        (N,) float64, descending, natural logarithms per factor.

    Raises:
        ValueError: for a size below 1 or a scale that is not positive.

    Source: Newman (1986).
    """
    whole_number("size", size)
    _check_scale(scale)
    return np.asarray(np.log(scale) + 0.5 * (np.log(2 / size) + digamma(np.arange(size, 0, -1) / 2)))


def condition_decades_per_factor(size: int) -> float:
    """(psi(N/2) - psi(1/2)) / (2 ln 10): by how many decades one more factor multiplies the condition, for many
    factors; `size` is N.

    Raises:
        ValueError: for a size below 1.

    Source: Newman (1986), from the first and the last of `lyapunov_exponents`.
    """
    exponents = lyapunov_exponents(size)
    return float((exponents[0] - exponents[-1]) / np.log(10))


def largest_singular_value(size: int, factors: int, *, scale: float = 1.0) -> EdgeEstimate:
    """sigma_max of a product of M Gaussian N x N matrices: limit y_M, mean and deviation y_M + c TW_1 with

        c = y_M M/(4(M+1)) (2(M+1)/N)^(2/3),

    which makes the limiting density's square-root edge that of the Airy process.  Leading order: N much larger than M.

    Args:
        size: N.
        factors: M, at most 10000.
        scale: s, the same for every factor: entries of variance s^2/N.

    Returns:
        The limit, mean and standard deviation.

    Raises:
        ValueError: for a size or number of factors out of range, a scale that is not positive or whose power s^M is
            beyond the range of doubles.

    Source: Johnstone (2001); Bornemann (2010).
    """
    whole_number("size", size)
    _check_scale(scale)
    with np.errstate(over="ignore"):
        edge = float(singular_value_law.support(checked_factors(factors))[1] * np.float64(scale) ** factors)
    if not np.isfinite(edge):
        raise ValueError(f"scale {scale} to the power of {factors} factors is beyond the range of doubles.")
    unit = edge * factors / (4 * (factors + 1)) * (2 * (factors + 1) / size) ** (2 / 3)
    return EdgeEstimate(edge, edge + unit * _TRACY_WIDOM_MEAN, unit * _TRACY_WIDOM_DEVIATION)


def condition_against_depth(
    size: int, depths: Sequence[int], draws: int, *, seed: int, workers: int = 1
) -> tuple[Array, Array]:
    """Smallest and largest singular values of products of 1, ..., max(depths) factors, growing one chain for each draw.

    Args:
        size: N.
        depths: the numbers of factors at which to measure.
        draws: number of independent chains.
        seed: of all draws; draw d does not depend on `draws`.
        workers: processes, as `gaussian_product_spectra`.

    Returns:
        (smallest, largest), each (draws, depths).

    Raises:
        ValueError: for sizes, depths, draws or workers below 1; as `product_singular_values`.
    """
    whole_number("size", size)
    wanted = [whole_number("a depth, the number of factors,", depth) for depth in depths]
    whole_number("draws", draws)
    if not wanted:
        raise ValueError("at least one depth is needed.")
    extremes = np.stack(in_processes(partial(_chain, size, tuple(wanted)), seed, draws, workers))
    return extremes[:, :, 0], extremes[:, :, 1]


def _chain(size: int, depths: tuple[int, ...], sequence: np.random.SeedSequence) -> Array:
    factors = gaussian_factors([size] * (max(depths) + 1), seed=sequence)
    spectra = suffix_singular_values(factors, depths)
    return np.array([[spectra[depth][-1], spectra[depth][0]] for depth in depths])


def fitted_growth(
    depths: ArrayLike, smallest: Array, largest: Array, *, size: int, confidence: float = 0.95
) -> GrowthRate:
    """Least-squares slope of log10(sigma_max/sigma_min) against the number of factors, one for each draw, and their
    mean.

    The depths of one draw share factors, so the interval comes from the spread between draws (Student's t), not from
    residuals.

    Args:
        depths: (depths,) at least two; small depths bend the line, which is straight only for many factors.
        smallest: sigma_min, (draws, depths), at least two draws, as `condition_against_depth` returns it.
        largest: sigma_max, the same.
        size: N, for the theory's slope.
        confidence: of the two-sided interval.

    Returns:
        The mean slope, the ends of its interval and the theory's, in decades per factor.

    Raises:
        ValueError: for too few depths or draws, shapes that do not match or values that are not positive.
    """
    places = np.asarray(depths, dtype=float)
    low_end, high_end = np.asarray(smallest, dtype=float), np.asarray(largest, dtype=float)
    if places.ndim != 1 or len(np.unique(places)) < 2 or low_end.shape != high_end.shape or low_end.ndim != 2:
        raise ValueError("fitted_growth needs at least two depths and singular values of shape (draws, depths).")
    if low_end.shape[0] < 2 or low_end.shape[1] != len(places):
        raise ValueError(f"fitted_growth needs two draws or more at {len(places)} depths, got shape {low_end.shape}.")
    if not np.all((low_end > 0) & np.isfinite(high_end)):
        raise ValueError("singular values must be positive and finite.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}.")
    decades = np.log10(high_end) - np.log10(low_end)
    centred = places - places.mean()
    slopes = decades @ centred / (centred @ centred)  # (draws,)
    margin = student.ppf((1 + confidence) / 2, len(slopes) - 1) * slopes.std(ddof=1) / np.sqrt(len(slopes))
    mean = float(slopes.mean())
    return GrowthRate(mean, mean - float(margin), mean + float(margin), condition_decades_per_factor(size))


def _check_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be finite and positive, got {scale}.")
