"""Limiting law for products of rectangular Gaussian factors (widths N_0 -> N_1 -> ... -> N_M in fixed proportions).

Layer i is an (N_i, N_(i-1)) matrix with entries of variance s_i^2 / N_i.  With a_i = N_0/N_i and all s_i = 1, the
moment series w(x) = sum_k m_k x^-k of the squared singular values (the N_0 eigenvalues of X'X) solves

    x = (1 + w)/w prod_i (1 + a_i w),        rho(x) = -Im w(x + i0) / (pi x).

On the support w = r exp(-i phi).  With alpha_i = -arg(1 + a_i w) and a_0 = 1, the physical root is the one with
sum_(i=0..M) alpha_i = phi: each alpha_i grows with r from 0 to phi, so every phi in (0, pi) has exactly one r, and x
falls from the right edge to the left one as phi runs from 0 to pi.  As for square factors the distribution function
is explicit, the imaginary part of the potential -log w + M w + sum_i (1 - 1/a_i) log(1 + a_i w):

    1 - F = (phi - M r sin(phi) - sum_i (1 - 1/a_i) alpha_i) / pi.

The scales s_i multiply x by prod s_i^2.  M = 1 is the Marchenko-Pastur law.
Sources: the algebraic equation as in Burda, Jarosz, Livan, Nowak and Swiech, Phys. Rev. E 82 (2010) 061114 (arXiv
1007.3594).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rv_continuous

Array = NDArray[np.float64]


def _increasing_root(function: Callable[[Array], tuple[Array, Array]], low: Array, high: Array) -> Array:
    """Zero of an increasing function between low and high: Newton's step where it stays between them, else bisection.

    `function` returns its value and its derivative.
    """
    place = (low + high) / 2
    for _ in range(100):
        value, slope = function(place)
        low, high = np.where(value < 0, place, low), np.where(value < 0, high, place)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = place - value / slope
        inside = (newton > low) & (newton < high)
        step_to = np.where(inside, newton, (low + high) / 2)
        # Newton converges quadratically: the step after one of 1e-9 is below rounding
        settled = np.abs(step_to - place) <= np.where(inside, 1e-9, 1e-14) * np.maximum(1.0, np.abs(place))
        place = step_to
        if np.all(settled):
            break
    return place


class RectangularSingularValueLaw(rv_continuous):
    """Law of the non-zero singular values of a product of rectangular Gaussian factors, in the limit of large widths.

    Of the min(N_0, N_M) singular values the share `rank / min(N_0, N_M)`, rank = min of all widths, follows this law
    and the rest is zero.  Methods as any SciPy distribution.  Accuracy: about 1e-9 relative away from the ends; for
    equal widths `singular_value_law` holds 1e-12 throughout and is much faster.

    Args:
        widths: N_0, ..., N_M, at least two; only their ratios matter.  The order of all but N_0 does not.
        scales: s_1, ..., s_M, or one number for all.

    Raises:
        ValueError: for fewer than two widths, a width or a scale that is not finite and positive.
    """

    def __init__(self, widths: Sequence[float], scales: ArrayLike = 1.0) -> None:
        sizes = np.asarray(widths, dtype=float)
        if sizes.ndim != 1 or len(sizes) < 2 or not np.all(np.isfinite(sizes) & (sizes > 0)):
            raise ValueError(f"widths must be at least two finite positive numbers, got {widths}.")
        scale_of = np.broadcast_to(np.asarray(scales, dtype=float), (len(sizes) - 1,))
        if not np.all(np.isfinite(scale_of) & (scale_of > 0)):
            raise ValueError(f"every scale must be finite and positive, got {scale_of}.")
        self.ratios = sizes[0] / sizes  # a_0 = 1, a_1, ..., a_M
        self.amplitude = float(np.prod(scale_of))
        self.nonzero_share = float(min(1.0, 1.0 / self.ratios.max()))  # of the N_0 eigenvalues of X'X
        left, right = self._edges()
        super().__init__(a=left, b=right, name="rectangular_singular_value_law")

    def _edges(self) -> tuple[float, float]:
        """The ends of the support: sum alpha_i = phi linearised at phi = pi and at phi = 0."""
        ratios = np.sort(self.ratios)[:, None]

        def value(w: Array) -> float:
            return self.amplitude * float(np.sqrt(np.prod(1 + ratios * w) / w[0]))

        def at_zero(log_radius: Array) -> tuple[Array, Array]:
            scaled = ratios * np.exp(log_radius)
            return (scaled / (1 + scaled)).sum(axis=0) - 1, (scaled / (1 + scaled) ** 2).sum(axis=0)

        def at_pi(log_radius: Array) -> tuple[Array, Array]:
            scaled = ratios * np.exp(log_radius)
            return (scaled / (1 - scaled)).sum(axis=0) + 1, (scaled / (1 - scaled) ** 2).sum(axis=0)

        largest, second = -np.log(ratios[-1]), -np.log(ratios[-2])  # log r of the two nearest poles of at_pi
        right = value(np.exp(_increasing_root(at_zero, -np.log(2 * ratios.sum(axis=0)), second)))
        if largest == second:  # a narrowest width that occurs twice: hard edge at zero
            return 0.0, right
        return value(-np.exp(_increasing_root(at_pi, largest, second))), right

    def _radius(self, phi: Array) -> Array:
        """r(phi), the zero in log r of the increasing sum alpha_i - phi."""

        def excess(log_radius: Array) -> tuple[Array, Array]:
            radius = np.exp(log_radius)
            return self._angles(radius, phi).sum(axis=0) - phi, -self._logarithmic_terms(radius, phi).imag

        # at r = 1/a the angle alpha is phi/2, so that two factors with a r >= 1 already make up phi
        low = np.full(phi.shape, -np.log(2 * self.ratios.sum()))
        high = np.full(phi.shape, -np.log(np.sort(self.ratios)[-2]))
        return np.exp(_increasing_root(excess, low, high))

    def _angles(self, radius: Array, phi: Array) -> Array:
        scaled = self.ratios[:, None] * radius  # (factor, point)
        return np.asarray(np.arctan2(scaled * np.sin(phi), 1 + scaled * np.cos(phi)))

    def _logarithmic_terms(self, radius: Array, phi: Array) -> NDArray[np.complex128]:
        """Sum of a_i w / (1 + a_i w), the derivative of sum log(1 + a_i w) with respect to log w."""
        terms = self.ratios[:, None] * radius * np.exp(-1j * phi)
        return np.asarray((terms / (1 + terms)).sum(axis=0))

    def _log_value(self, phi: Array, radius: Array) -> Array:
        bases = np.abs(1 + self.ratios[:, None] * radius * np.exp(-1j * phi))
        return np.log(self.amplitude) + 0.5 * (np.log(bases).sum(axis=0) - np.log(radius))

    def _log_slope(self, phi: Array, radius: Array) -> Array:
        """-d log y / d phi along the curve r(phi), positive."""
        total = self._logarithmic_terms(radius, phi)
        radius_slope = (1 - total.real) / -total.imag  # d log r / d phi, from sum alpha_i = phi
        return np.asarray(-0.5 * ((total - 1) * (radius_slope - 1j)).real)

    def _phi_of_value(self, value: Array) -> Array:
        target = np.log(value)

        def decrease(phi: Array) -> tuple[Array, Array]:
            radius = self._radius(phi)
            return target - self._log_value(phi, radius), self._log_slope(phi, radius)

        return _increasing_root(decrease, np.zeros(value.shape), np.full(value.shape, np.pi))

    def _tail(self, phi: Array, radius: Array) -> Array:
        factors = len(self.ratios) - 1
        correction = ((1 - 1 / self.ratios)[:, None] * self._angles(radius, phi)).sum(axis=0)
        return (phi - factors * radius * np.sin(phi) - correction) / (np.pi * self.nonzero_share)

    def _pdf(self, x: Array) -> Array:
        # at a hard edge the density is finite for two narrowest widths, infinite for more
        finite = np.count_nonzero(self.ratios == self.ratios.max()) <= 2
        value = np.maximum(x, 1e-5 * self.b) if finite else np.atleast_1d(x)
        density = np.full(value.shape, np.inf)
        inside = value > 0
        phi = self._phi_of_value(value[inside])
        density[inside] = 2 * self._radius(phi) * np.sin(phi) / (np.pi * self.nonzero_share * value[inside])
        return density

    def _sf(self, x: Array) -> Array:
        value = np.atleast_1d(x)
        tail = np.ones(value.shape)
        inside = value > 0
        phi = self._phi_of_value(value[inside])
        tail[inside] = np.clip(self._tail(phi, self._radius(phi)), 0.0, 1.0)
        return tail

    def _cdf(self, x: Array) -> Array:
        return 1.0 - self._sf(x)

    def _isf(self, q: Array) -> Array:
        target = np.atleast_1d(q)

        def increase(phi: Array) -> tuple[Array, Array]:
            radius = self._radius(phi)
            slope = 2 * radius * np.sin(phi) * self._log_slope(phi, radius) / (np.pi * self.nonzero_share)
            return self._tail(phi, radius) - target, slope

        phi = _increasing_root(increase, np.zeros(target.shape), np.full(target.shape, np.pi))
        return np.exp(self._log_value(phi, self._radius(phi)))

    def _ppf(self, q: Array) -> Array:
        return self._isf(1.0 - np.asarray(q))

    def _munp(self, n: int) -> float:
        """E[y^n] = left^n + integral of the tail d(y^n), Gauss-Legendre in phi."""
        nodes, weights = np.polynomial.legendre.leggauss(200)
        phi = np.pi * (nodes + 1) / 2
        radius = self._radius(phi)
        slope = n * np.exp(n * self._log_value(phi, radius)) * self._log_slope(phi, radius)
        return float(self.a**n + np.sum(weights * np.pi / 2 * self._tail(phi, radius) * slope))
