"""The limiting laws of singular values as SciPy distributions.

`squared_singular_value_law` is Theorem 1's formula (whose statement calls x a singular value; it is its square) and
`singular_value_law` its square root, what Figures 8 and 9 draw.  Both take the number of factors M as shape parameter:

    singular_value_law.pdf(x, 3)          singular_value_law(factors=3).ppf([0.1, 0.5, 0.9])

Factors of entry variance s_i^2/N multiply the singular values by the product of the s_i: SciPy's `scale`.  That the
laws are the limits, for independent entries that need not be Gaussian, is proved in Alexeev, Goetze and Tikhomirov,
arXiv 1012.2586.  Evaluation: `repro.random_matrices.fuss_catalan`.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial, pi
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.stats import rv_continuous

from repro.random_matrices.checks import whole_number
from repro.random_matrices.fuss_catalan import (
    Array,
    Point,
    constants_of,
    distribution,
    log_value,
    point_of_probability,
    point_of_value,
    tail,
    weight,
)

_MOST_FACTORS = 10_000  # the exact integers behind the right end have M log10 M digits


def checked_factors(factors: object) -> int:
    """M as an int, or a ValueError when it is not an integer from 1 to 10000."""
    number = whole_number("the number of factors", factors)
    if number > _MOST_FACTORS:
        raise ValueError(f"the number of factors must be at most {_MOST_FACTORS}, got {factors}.")
    return number


def _per_factors(evaluate: Callable[[Array, int], Array], values: Any, factors: Any) -> Array:
    """Evaluate a function of (values, M) for an array of M, one call for each distinct M."""
    values, factors = np.broadcast_arrays(np.asarray(values, dtype=float), factors)
    result = np.empty(values.shape)
    for m in np.unique(factors):
        chosen = factors == m
        result[chosen] = evaluate(values[chosen], int(m))
    return result


class _ProductLaw(rv_continuous):
    """What the two laws share; `factors`, the shape parameter, is M."""

    _power: int  # 1 for x, 2 for its square root

    def _argcheck(self, factors: Any) -> Any:
        return (factors >= 1) & (factors <= _MOST_FACTORS) & (factors == np.floor(factors))

    def _get_support(self, factors: Any) -> tuple[Any, Any]:
        valid = np.where(self._argcheck(factors), factors, 1)
        edge = _per_factors(lambda _, m: np.asarray(self._edge(m)[0]), np.zeros(np.shape(valid)), valid)
        return np.zeros(edge.shape), edge

    def _edge(self, factors: int) -> tuple[float, float]:
        constants = constants_of(factors)
        if self._power == 1:
            return constants.edge, constants.edge_rest
        return constants.root_edge, constants.root_edge_rest

    def _point(self, value: Array, factors: int) -> Point:
        edge, rest = self._edge(factors)
        # subtracting from the rounded edge is exact near it, and `rest` restores what the edge's rounding lost
        relative_gap = ((edge - value) + rest) / edge
        with np.errstate(divide="ignore"):
            log_here = self._power * np.log(value)
            near = -self._power * np.log1p(-np.clip(relative_gap, 0.0, 1.0))
        # away from the edge log(edge/x) only decides which side is solved
        return point_of_value(log_here, near, factors)

    def _pdf(self, x: Any, factors: Any) -> Array:
        def density(value: Array, m: int) -> Array:
            at_zero = 2 / np.pi if self._power == 2 and m == 1 else np.inf
            positive = value > 0
            result = np.full(value.shape, at_zero)
            point = self._point(value[positive], m)
            with np.errstate(over="ignore"):
                result[positive] = self._power * weight(point, m) / np.pi / value[positive]
            return result

        return _per_factors(density, x, factors)

    def _cdf(self, x: Any, factors: Any) -> Array:
        return self._probability(distribution, 0.0, x, factors)

    def _sf(self, x: Any, factors: Any) -> Array:
        return self._probability(tail, 1.0, x, factors)

    def _probability(self, evaluate: Callable[[Point, int], Array], at_zero: float, x: Any, factors: Any) -> Array:
        def probability(value: Array, m: int) -> Array:
            result = np.full(value.shape, at_zero)
            positive = value > 0
            result[positive] = evaluate(self._point(value[positive], m), m)
            return result

        return _per_factors(probability, x, factors)

    def _value(self, below: Array, above: Array, factors: int) -> Array:
        point = point_of_probability(below, above, factors)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.exp(log_value(point, factors) / self._power)
        return np.where(below == 0.0, 0.0, np.minimum(value, self._edge(factors)[0]))

    def _ppf(self, q: Any, factors: Any) -> Array:
        return _per_factors(lambda below, m: self._value(below, 1.0 - below, m), q, factors)

    def _isf(self, q: Any, factors: Any) -> Array:
        return _per_factors(lambda above, m: self._value(1.0 - above, above, m), q, factors)

    def _munp(self, n: Any, factors: Any) -> Array:
        def moment(orders: Array, m: int) -> Array:
            return np.array([_moment(Fraction(int(order), self._power), m) for order in orders.flat])

        return _per_factors(moment, n, factors)

    def _entropy(self, factors: Any) -> float:
        """-E log density, the density being power w / (pi x^(1/power)); E log x = -M."""
        if not self._argcheck(factors):
            return float("nan")
        m = int(factors)

        def log_weight(below: float) -> float:
            point = point_of_probability(np.array([below]), np.array([1.0 - below]), m)
            return float(np.log(weight(point, m))[0])

        mean, _ = quad(log_weight, 0.0, 1.0, epsabs=1e-11, epsrel=1e-11, limit=200)
        return float(np.log(np.pi / self._power) - m / self._power - mean)

    def expect(
        self,
        func: Callable[[Any], Any] | None = None,
        args: tuple[Any, ...] = (),
        loc: float = 0.0,
        scale: float = 1.0,
        lb: float | None = None,
        ub: float | None = None,
        conditional: bool = False,
        **kwds: Any,
    ) -> Any:
        """E func(x) = integral of func(quantile(p)) dp, for p from F(lb) to F(ub).

        SciPy's own method integrates func times density over x, and misses the density's peak at zero: with eight
        factors half of all x lie below 1e-4 of the support.  Over probabilities nothing is peaked.

        Args:
            func: of one number; the identity when left out.  It is given 0 where x is below the range of doubles.
            args: (M,).
            loc: as everywhere in SciPy.
            scale: the same.
            lb: lower end, the support's when left out.
            ub: upper end.
            conditional: divide by the probability of [lb, ub].
            kwds: for `scipy.integrate.quad`.

        Returns:
            The integral, NaN for an M out of range.
        """
        if not np.all(self._argcheck(*map(np.asarray, args))):
            return np.float64(np.nan)
        here: dict[str, Any] = {"loc": loc, "scale": scale}
        first, last = self.support(*args, **here)
        low, high = first if lb is None else lb, last if ub is None else ub
        (below, under), (over, above) = self.cdf([low, high], *args, **here), self.sf([low, high], *args, **here)
        # from each end up to the median, so that small probabilities keep their digits
        if under <= 0.5:
            parts = [(self.ppf, below, under)]
        elif over <= 0.5:
            parts = [(self.isf, above, over)]
        else:
            parts = [(self.ppf, below, 0.5), (self.isf, above, 0.5)]

        def of_quantile(quantile: Callable[..., Any]) -> Callable[[float], Any]:
            if func is None:
                return lambda p: quantile(p, *args, **here)
            return lambda p: func(quantile(p, *args, **here))

        total = sum(quad(of_quantile(quantile), start, end, **kwds)[0] for quantile, start, end in parts)
        if conditional:
            total = total / sum(end - start for _, start, end in parts)
        return np.asarray(total)[()]


def _moment(order: Fraction, factors: int) -> float:
    """E[x^k] = Gamma((M+1)k+1) / (Gamma(k+1) Gamma(Mk+2)), the Fuss-Catalan number for an integer k."""
    try:
        if order.denominator == 1:
            k = order.numerator
            return float(Fraction(comb((factors + 1) * k, k), factors * k + 1))
        # of half-integers: the roots of pi cancel for even M, and leave pi below for odd M
        twice, m = order.numerator, factors
        ratio = _gamma((m + 1) * twice + 2) / (_gamma(twice + 2) * _gamma(m * twice + 4))
        return float(ratio) / (pi if m % 2 else 1.0)
    except OverflowError:
        raise ValueError(
            f"the moment of order {order} of the squared singular values for {factors} factors is above the range of "
            "double precision."
        ) from None


def _gamma(twice: int) -> Fraction:
    """Gamma(twice/2), for an odd number without its factor sqrt(pi)."""
    if twice % 2 == 0:
        return Fraction(factorial(twice // 2 - 1))
    whole = twice // 2
    return Fraction(factorial(2 * whole), 4**whole * factorial(whole))


class SquaredSingularValueLaw(_ProductLaw):
    """Law of the squared singular values of a product of M Gaussian N x N factors, entries of variance 1/N, as N grows.

    Density x -> sin((M+1)p) sin(p) / (pi x sin(Mp)) at x = sin((M+1)p)^(M+1) / (sin(p) sin(Mp)^M), 0 < p < pi/(M+1),
    on (0, (M+1)^(M+1)/M^M).  Moments: the Fuss-Catalan numbers binom((M+1)k, k)/(Mk+1).
    M = 1 is the Marchenko-Pastur law.

    Methods and their answers to bad input are those of `scipy.stats.rv_continuous`; the shape parameter `factors` is
    M, an integer from 1 to 10000 (NaN otherwise).  pdf, cdf, sf, ppf and isf hold 1e-12 relative accuracy up to both
    ends, entropy 1e-9 absolute; E log x = -M.  A moment beyond the range of doubles is a ValueError.
    Source: Theorem 1 (there for "singular values"); Penson and Zyczkowski, arXiv 1103.3453.
    """

    _power = 1


class SingularValueLaw(_ProductLaw):
    """Law of the singular values themselves: y with y^2 following `SquaredSingularValueLaw`.

    Density y -> 2 y rho(y^2) on (0, sqrt((M+1)^(M+1)/M^M)).  M = 1 is the quarter-circle law sqrt(4-y^2)/pi.
    Moments: E[y^k] = Gamma((M+1)k/2+1) / (Gamma(k/2+1) Gamma(Mk/2+2)).
    Methods, shape parameter and accuracy as there.  Source: Theorem 1 and Figures 8 and 9.
    """

    _power = 2


squared_singular_value_law = SquaredSingularValueLaw(name="squared_singular_value_law", shapes="factors")
singular_value_law = SingularValueLaw(name="singular_value_law", shapes="factors")
