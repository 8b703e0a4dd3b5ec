"""Limiting laws of the singular values of a product of square Gaussian matrices (Theorem 1, Figure 8).

X = X_1 ... X_M, independent N x N factors with Gaussian entries of mean 0 and variance s^2/N.  As N grows, the squared
singular values x of X follow the Fuss-Catalan law scaled by s^(2M).  With 0 < p < pi/(M+1) and s = 1,

    x      = sin((M+1)p)^(M+1) / (sin(p) sin(Mp)^M)               on (0, (M+1)^(M+1)/M^M)
    rho(x) = sin((M+1)p) sin(p) / (pi x sin(Mp))
    1-F(x) = ((M+1)p - M sin(p) sin((M+1)p) / sin(Mp)) / pi

The first two lines are Theorem 1, which calls x a singular value: it is the squared one.  The third follows from them:
with B = sin((M+1)p)/sin(Mp) exp(-ip), which solves B = 1 + B^(M+1)/x, the logarithmic potential of the law is
M(B-1) - log(B-1), and its imaginary part on the cut is pi(1-F).

Both ends cancel in p, so the code works with two angles v = (M+1)p and u = pi - v, always solving for the smaller:
u below pi/2 (left end), where every term below is positive, and v below pi/2 (right end), where the logarithms are
power series in v^2 whose coefficients, all of one sign, are integer expressions in M divided once.

Sources.  The limit law: Alexeev, Goetze and Tikhomirov, arXiv 1012.2586.  Its density as hypergeometric functions:
Penson and Zyczkowski, Phys. Rev. E 83 (2011) 061118, arXiv 1103.3453.  The parametrisation by p: Biane, Math. Z. 227
(1998) 143; Haagerup and Moeller, arXiv 1211.4457; Neuschel, Random Matrices Theory Appl. 3 (2014) 1450003; used so by
Forrester and Liu, arXiv 1404.5759, and Liu, Wang and Zhang, arXiv 1412.6777.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

Array = NDArray[np.float64]

_TERMS = 30  # the series run in (v/pi)^2 <= 1/4, and 4^-30 is far below one rounding error
_ORDERS = np.arange(1, _TERMS + 1)
_ZETA = zeta(2.0 * _ORDERS) / (_ORDERS * np.pi ** (2.0 * _ORDERS))  # log(t/sin t) = sum of _ZETA[k] t^(2k)
_HALF = np.pi / 2


class Constants(NamedTuple):
    """What depends on M alone."""

    edge: float  # (M+1)^(M+1) / M^M, rounded
    edge_rest: float  # what the rounding left out
    root_edge: float  # the square root of the exact edge, rounded
    root_edge_rest: float
    log_gap: Array  # log(edge/x) = sum of log_gap[k] v^(2k), starting with k = 0
    log_tail: Array  # -log(1 - pi sf/v) = sum of log_tail[k] v^(2k), starting with k = 0
    log_gap_middle: float  # log(edge/x) at v = pi/2, where the two ends meet
    tail_middle: float  # sf at v = pi/2


@lru_cache(maxsize=256)
def constants_of(factors: int) -> Constants:
    """Exact rationals of M, rounded at the very end."""
    m = factors
    exact_edge = Fraction((m + 1) ** (m + 1), m**m)
    edge = float(exact_edge)
    # 200 bits of the root, so that its first rounding error is known as well
    exact_root = Fraction(isqrt((exact_edge.numerator << 400) // exact_edge.denominator), 1 << 200)
    root_edge = float(exact_root)
    # log sinc is taken of (M+1)p, p and Mp; integer differences before the division keep every digit
    gap = [float(Fraction((m + 1) ** (2 * k + 1) - 1 - m ** (2 * k + 1), (m + 1) ** (2 * k))) for k in _ORDERS.tolist()]
    tail = [float(Fraction((m + 1) ** (2 * k) + 1 - m ** (2 * k), (m + 1) ** (2 * k))) for k in _ORDERS.tolist()]
    log_gap = np.concatenate([[0.0], _ZETA * gap])
    log_tail = np.concatenate([[0.0], _ZETA * tail])
    middle = np.asarray(_HALF**2)
    return Constants(
        edge=edge,
        edge_rest=float(exact_edge - Fraction(edge)),
        root_edge=root_edge,
        root_edge_rest=float(exact_root - Fraction(root_edge)),
        log_gap=log_gap,
        log_tail=log_tail,
        log_gap_middle=float(_series(log_gap, middle)),
        tail_middle=float(0.5 * -np.expm1(-_series(log_tail, middle))),
    )


def _series(coefficients: Array, square: Array) -> Array:
    """Sum of coefficients[k] square^k."""
    return np.asarray(np.polynomial.polynomial.polyval(square, coefficients))


def _newton(step: Callable[[Array], Array], start: Array) -> Array:
    """Repeat start += step(start); the steps come in monotonically and converge quadratically."""
    value = start
    for _ in range(200):
        change = step(value)
        value = value + change
        # quadratic convergence: the step after one of relative size 1e-10 would be below rounding
        if np.all(np.abs(change) <= 1e-10 * np.abs(value)):
            return value
    raise ArithmeticError("the angle of the Fuss-Catalan law did not converge")


class Point(NamedTuple):
    """A point of the law in both angles, u + v = pi; `left` says that u is the one solved for."""

    u: Array
    v: Array
    left: NDArray[np.bool_]

    @classmethod
    def of_u(cls, u: Array) -> "Point":
        """Points solved for u in (0, pi/2]."""
        return cls(u, np.pi - u, np.ones(u.shape, bool))

    @classmethod
    def of_v(cls, v: Array) -> "Point":
        """Points solved for v in [0, pi/2]."""
        return cls(np.pi - v, v, np.zeros(v.shape, bool))


def _join(left: NDArray[np.bool_], u: Array, v: Array) -> Point:
    """Point from the angles u (where left) and v (elsewhere)."""
    full_u = np.empty(left.shape)
    full_u[left], full_u[~left] = u, np.pi - v
    full_v = np.empty(left.shape)
    full_v[left], full_v[~left] = np.pi - u, v
    return Point(full_u, full_v, left)


def log_value(point: Point, factors: int) -> Array:
    """log x at a point.

    Left: x = sin(u+p)/sin(p) (cos p + cot u sin p)^-(M+1), the bracket being sin(u+p)/sin(u).
    """
    result = np.empty(point.left.shape)
    u = point.u[point.left]
    p = point.v[point.left] / (factors + 1)
    bracket = np.log1p(np.sin(p) / np.tan(u) - 2.0 * np.sin(p / 2) ** 2)
    result[point.left] = np.log(np.sin(u + p) / np.sin(p)) - (factors + 1) * bracket
    constants = constants_of(factors)
    result[~point.left] = np.log(constants.edge) - _series(constants.log_gap, point.v[~point.left] ** 2)
    return result


def _log_slope(u: Array, factors: int) -> Array:
    """d log x / du."""
    p = (np.pi - u) / (factors + 1)
    return (factors + 1) / np.tan(u) + (1.0 / np.tan(p) - factors**2 / np.tan(u + p)) / (factors + 1)


def weight(point: Point, factors: int) -> Array:
    """pi x rho(x) = sin((M+1)p) sin(p) / sin(Mp)."""
    p = point.v / (factors + 1)
    safe_u = np.where(point.left, point.u, 1.0)
    left = np.sin(safe_u) * np.sin(p) / np.sin(safe_u + p)
    right = np.sin(point.v) / factors * np.sinc(p / np.pi) / np.sinc((point.v - p) / np.pi)  # finite at v = 0
    return np.where(point.left, left, right)


def distribution(point: Point, factors: int) -> Array:
    """F at a point, every term positive on the left."""
    p = point.v / (factors + 1)
    left = (point.u + factors * weight(point, factors)) / np.pi
    return np.where(point.left, left, 1.0 - _right_tail(point, p, factors))


def tail(point: Point, factors: int) -> Array:
    """1 - F at a point without subtracting from one."""
    p = point.v / (factors + 1)
    ratio = np.sin(p) / np.tan(np.where(point.left, point.u, 1.0)) - 2.0 * np.sin(p / 2) ** 2
    # 1 - M sin(p)/v = 1/(M+1) + M/(M+1) (1 - sinc p): for many factors this difference would lose a factor M
    share = (1.0 + factors * (1.0 - np.sinc(p / np.pi))) / (factors + 1)
    left_tail = point.v / np.pi * (share + ratio) / (1.0 + ratio)
    return np.where(point.left, left_tail, _right_tail(point, p, factors))


def _right_tail(point: Point, p: Array, factors: int) -> Array:
    v = np.where(point.left, 1.0, point.v)
    return v / np.pi * -np.expm1(-_series(constants_of(factors).log_tail, v**2))


def point_of_value(log_x: Array, log_gap: Array, factors: int) -> Point:
    """Point with given log x (used on the left) and log(edge/x) (used on the right)."""
    m, constants = factors, constants_of(factors)
    left = log_gap > constants.log_gap_middle
    target = log_x[left]

    def left_step(u: Array) -> Array:
        u_inside = np.minimum(u, _HALF)
        residual = log_value(Point.of_u(u_inside), m) - target
        # a Newton step in log u, where the function is concave with slopes between M+1 and order 1
        return u_inside * np.exp(-residual / (u_inside * _log_slope(u_inside, m))) - u

    start = np.minimum(np.exp(target / (m + 1)) * np.sin(np.pi / (m + 1)), _HALF)
    u = np.minimum(_newton(left_step, start), _HALF)

    gap = np.maximum(log_gap[~left], 0.0)
    derivative = constants.log_gap[1:] * _ORDERS

    def right_step(square: Array) -> Array:
        return (gap - _series(constants.log_gap, square)) / _series(derivative, square)

    v = np.sqrt(_newton(right_step, np.minimum(gap / constants.log_gap[1], _HALF**2)))
    return _join(left, u, v)


def point_of_probability(below: Array, above: Array, factors: int) -> Point:
    """Point with F = below (used on the left) and 1 - F = above (used on the right)."""
    m, constants = factors, constants_of(factors)
    left = above > constants.tail_middle
    target = below[left]

    def left_step(u: Array) -> Array:
        point = Point.of_u(np.minimum(u, _HALF))
        slope = weight(point, m) / np.pi * _log_slope(point.u, m)
        return (target - distribution(point, m)) / slope

    # u = 0 is a quantile of its own (probability 0), where the slope formula is 0 times infinity
    positive = target > 0
    u = np.zeros(target.shape)
    target = target[positive]
    u[positive] = np.minimum(_newton(left_step, np.pi * target / (m + 1)), _HALF)

    tail = above[~left]
    derivative = constants.log_tail[1:] * _ORDERS

    def right_step(v: Array) -> Array:
        exponent = _series(constants.log_tail, v**2)
        value = v / np.pi * -np.expm1(-exponent)
        slope = (-np.expm1(-exponent) + 2 * v**2 * np.exp(-exponent) * _series(derivative, v**2)) / np.pi
        # in log v the function runs between slopes 3 and 1, so that Newton's steps are safe from tail = 0 upwards
        return v * np.expm1(np.log(tail / value) * value / (v * slope))

    positive = tail > 0
    v = np.zeros(tail.shape)
    tail = tail[positive]
    v[positive] = _newton(right_step, np.minimum(np.cbrt(3 * np.pi * (m + 1) * tail), _HALF))
    return _join(left, u, v)
