"""The limiting laws of singular values as SciPy distributions.

`squared_singular_value_law` is Theorem 1's formula (whose statement calls x a singular value; it is its square) and
`singular_value_law` its square root, what Figures 8 and 9 draw.  Both take the number of factors M as shape parameter:

    singular_value_law.pdf(x, 3)          singular_value_law(factors=3).ppf([0.1, 0.5, 0.9])

Factors of entry variance s_i^2/N multiply the singular values by the product of the s_i: SciPy's `scale`.
Evaluation: `repro.random_matrices.fuss_catalan`.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from scipy.special import beta
from scipy.stats import rv_continuous

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
        return (factors >= 1) & (factors == np.floor(factors))

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


def _moment(order: Fraction, factors: int) -> float:
    """E[x^k] = Gamma((M+1)k+1) / (Gamma(k+1) Gamma(Mk+2)), the Fuss-Catalan number for an integer k."""
    if order.denominator == 1:
        k = order.numerator
        return float(Fraction(comb((factors + 1) * k, k), factors * k + 1))
    half = float(order)
    return float(1.0 / ((factors * half + 1) * ((factors + 1) * half + 1) * beta(factors * half + 1, half + 1)))


class SquaredSingularValueLaw(_ProductLaw):
    """Law of the squared singular values of a product of M Gaussian N x N factors, entries of variance 1/N, as N grows.

    Density x -> sin((M+1)p) sin(p) / (pi x sin(Mp)) at x = sin((M+1)p)^(M+1) / (sin(p) sin(Mp)^M), 0 < p < pi/(M+1),
    on (0, (M+1)^(M+1)/M^M).  Moments: the Fuss-Catalan numbers binom((M+1)k, k)/(Mk+1).
    M = 1 is the Marchenko-Pastur law.

    Methods and their answers to bad input are those of `scipy.stats.rv_continuous`; the shape parameter `factors` is
    M >= 1, an integer (NaN otherwise).  pdf, cdf, sf, ppf and isf hold 1e-12 relative accuracy up to both ends.
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
