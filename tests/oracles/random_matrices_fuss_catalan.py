"""Theorem 1 in high-precision arithmetic, straight from the statement: bisection for the angle, no series, no cases."""

import math

import mpmath

DIGITS = 60


def law_at(value: float, factors: int, power: int) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """Density, distribution function and tail of x^(1/power) at `value`, by bisection in log u, u = pi - (M+1)p."""
    m = factors
    # 1 - (1 - F) below: as many digits more as F has leading zeros, F being of order x^(1/(M+1))
    with mpmath.workdps(DIGITS + int(max(0.0, -math.log10(value)) * power / (m + 1))):
        y = mpmath.mpf(value)
        target = power * mpmath.log(y)
        # u is at least about x^(1/(M+1)) sin(pi/(M+1))
        low = target / (m + 1) + mpmath.log(mpmath.sin(mpmath.pi / (m + 1))) - 1
        high = mpmath.log(mpmath.pi * (1 - mpmath.mpf(10) ** -40))
        while high - low > mpmath.mpf(10) ** (6 - DIGITS):
            middle = (low + high) / 2
            if mpmath.log(value_at_angle((mpmath.pi - mpmath.exp(middle)) / (m + 1), m)) < target:
                low = middle
            else:
                high = middle
        p = (mpmath.pi - mpmath.exp(low)) / (m + 1)
        x = y**power
        density = mpmath.sin((m + 1) * p) * mpmath.sin(p) / (mpmath.pi * x * mpmath.sin(m * p))
        above = tail_at_angle(p, m)
        return density * power * y ** (power - 1), 1 - above, above


def value_at_angle(p: mpmath.mpf, factors: int) -> mpmath.mpf:
    m = factors
    return mpmath.sin((m + 1) * p) ** (m + 1) / (mpmath.sin(p) * mpmath.sin(m * p) ** m)


def tail_at_angle(p: mpmath.mpf, factors: int) -> mpmath.mpf:
    m = factors
    return ((m + 1) * p - m * mpmath.sin(p) * mpmath.sin((m + 1) * p) / mpmath.sin(m * p)) / mpmath.pi


def edge(factors: int, power: int) -> mpmath.mpf:
    with mpmath.workdps(DIGITS):
        return mpmath.root(mpmath.mpf(factors + 1) ** (factors + 1) / mpmath.mpf(factors) ** factors, power)
