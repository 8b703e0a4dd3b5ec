"""Estimates from few networks, with intervals that keep their promise at few.

The unit is the network: a sample has one value per network, and comparisons are made within a seed first. Intervals
are 90 %, so that the truth lies beyond either end in at most 5 % of all cases: "above a threshold" is then a one-sided
test at 5 %, and "between two" is the two one-sided tests of equivalence (Schuirmann 1987). SciPy computes them all.

What each promises: the median's interval holds the truth in at least 90 % of all cases, whatever the distribution;
Student's in 90 % where the networks' values are normal, in fewer where they are skewed; the bootstrap's roughly. Tests
simulate them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.9
TOO_FEW, ALL_EQUAL = "none: too few networks", "none: all networks are equal"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; `low` and `high` are NaN where so few networks allow none."""

    value: float
    low: float
    high: float
    networks: int  # or draws; 0: computed, nothing was sampled
    method: str  # of the interval, in words
    p_value: Callable[["Region"], float]  # of "it lies outside the region"


@dataclass(frozen=True)
class Region:
    """Where a number has to lie: above one threshold, below another, or between two, which do not belong to it."""

    above: float = -math.inf
    below: float = math.inf

    def __post_init__(self) -> None:
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise ValueError(f"no number can lie above {self.above} and below {self.below}, or every number does")

    def holds(self, value: float) -> bool:
        """Whether a number lies there; what is infinite does where there is no threshold on its side, NaN never."""
        return (self.above < value or self.above == -math.inf) and (value < self.below or self.below == math.inf)


Position = Literal["inside", "outside", "straddles"]


def position(estimate: Estimate, region: Region) -> Position:
    """Where an estimate's interval lies; one that has no interval, or an end in the region and one outside, straddles.

    A threshold itself belongs to the outside.
    """
    if region.holds(estimate.low) and region.holds(estimate.high):
        return "inside"
    if -math.inf < region.above >= estimate.high or math.inf > region.below <= estimate.low:
        return "outside"
    return "straddles"


def median(values: ArrayLike) -> Estimate:
    """The median over networks and its exact interval, from order statistics: for any distribution.

    The truth lies beyond either end in at most 5 % of all cases. It takes five networks to have an interval. Values
    that are not finite have their place in the order; NaN has none, and is left out.
    """
    sample = _known(values)
    if len(sample) == 0:
        return _nothing(sample, TOO_FEW)
    interval = stats.quantile_test(sample, p=0.5).confidence_interval(CONFIDENCE)

    def p_value(region: Region) -> float:
        return max(
            float(stats.quantile_test(sample, q=bound, p=0.5, alternative=side).pvalue)
            for bound, side in _bounds(region)
        )

    method = TOO_FEW if math.isnan(interval.low) else "exact, of the median"
    return Estimate(_middle(sample), float(interval.low), float(interval.high), len(sample), method, p_value)


def mean(values: ArrayLike) -> Estimate:
    """The mean over networks and Student's interval; NaN is left out.

    It takes two networks to have an interval, and none whose value is infinite. The truth lies beyond either end in
    5 % of all cases where the values are normal; where they are skewed it lies beyond one end more often (in a fifth
    of all cases where they are lognormal), so skewed values are for `median`, or for their logarithms.
    """
    sample = _known(values)
    if len(sample) < 2:
        return _nothing(sample, TOO_FEW)
    if not np.isfinite(sample).all():
        return _nothing(sample, "none: a value is infinite")
    if sample.min() == sample.max():
        return _nothing(sample, ALL_EQUAL)
    student = stats.t(len(sample) - 1, float(np.mean(sample)), float(stats.sem(sample)))
    return of_distribution(student, len(sample), "Student's, of the mean")


def share(count: int, networks: int) -> Estimate:
    """The share of networks of which something is true, and its exact interval (Clopper and Pearson 1934).

    The truth lies beyond either end in at most 5 % of all cases. It takes one network to have an interval.
    """
    if networks == 0:
        return _nothing(np.array([]), TOO_FEW)
    interval = stats.binomtest(count, networks).proportion_ci(CONFIDENCE, method="exact")

    def p_value(region: Region) -> float:
        return max(
            # A threshold beyond 0 or 1 is no share: all shares are on one side of it.
            float(stats.binomtest(count, networks, bound, side).pvalue)
            if 0 <= bound <= 1
            else float((bound > 1) == (side == "greater"))
            for bound, side in _bounds(region)
        )

    return Estimate(count / networks, float(interval.low), float(interval.high), networks, "exact, of a share", p_value)


def of_distribution(distribution: "stats.rv_frozen", networks: int, method: str) -> Estimate:
    """An estimate whose uncertainty is a distribution, such as Student's about a fitted slope."""
    low, high = distribution.interval(CONFIDENCE)

    def p_value(region: Region) -> float:
        return max(
            float(distribution.cdf(bound) if side == "greater" else distribution.sf(bound))
            for bound, side in _bounds(region)
        )

    return Estimate(float(distribution.median()), float(low), float(high), networks, method, p_value)


def exact(value: float) -> Estimate:
    """A number that was computed, not sampled: its interval is itself."""

    def p_value(region: Region) -> float:
        return math.nan if math.isnan(value) else 0.0 if region.holds(value) else 1.0

    return Estimate(float(value), float(value), float(value), 0, "computed, nothing sampled", p_value)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values corrected for their number by Holm's step-down method (1979); NaN stays and is not counted."""
    values = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(values), np.nan)
    order = [place for place in np.argsort(values) if not np.isnan(values[place])]
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def _bounds(region: Region) -> list[tuple[float, str]]:
    """The thresholds of a region, each with the alternative that speaks for the region."""
    bounds = [(region.above, "greater"), (region.below, "less")]
    return [(bound, side) for bound, side in bounds if math.isfinite(bound)]


def _known(values: ArrayLike) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    return sample[~np.isnan(sample)]


def _middle(sample: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):  # between minus and plus infinity there is no middle: NaN
        return float(np.median(sample))


def _nothing(sample: np.ndarray, method: str) -> Estimate:
    """A value without an interval: the sample's mean where it has one."""
    with np.errstate(invalid="ignore"):
        value = float(np.mean(sample)) if len(sample) else math.nan
    return Estimate(value, math.nan, math.nan, len(sample), method, lambda region: math.nan)
