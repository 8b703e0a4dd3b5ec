"""Estimates and their intervals: against brute force, against SciPy used differently, and by simulation."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from repro.results import statistics
from repro.results.statistics import Estimate, Region, position

INF, NAN = math.inf, math.nan
TIMES = 20_000  # simulated samples of each kind
ERROR = 3 * math.sqrt(0.05 * 0.95 / TIMES)  # of a share of 5 % in so many
DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "lognormal": lambda generator, shape: generator.lognormal(size=shape),
    "Cauchy": lambda generator, shape: generator.standard_cauchy(shape),
}


def sample(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([size, seed]).standard_normal(size)


def medians(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the median's interval, a row each; which ranks they have does not depend on the values."""
    ranks = statistics.median(np.arange(samples.shape[1]))
    ordered = np.sort(samples, axis=1)
    return ordered[:, int(ranks.low)], ordered[:, int(ranks.high)]


def means(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the mean's interval, a row each; how many standard deviations wide does not depend on the values."""
    one = samples[0]
    found = statistics.mean(one)
    margin = (found.high - found.low) / 2 / one.std(ddof=1) * samples.std(axis=1, ddof=1)
    return samples.mean(axis=1) - margin, samples.mean(axis=1) + margin


def missed(ends: tuple[np.ndarray, np.ndarray], truth: float) -> tuple[float, float]:
    """The shares of intervals that lie above and below the truth."""
    return np.mean(ends[0] > truth), np.mean(ends[1] < truth)


def binomial(count: int, size: int, share: float = 0.5) -> float:
    """The probability of at most `count` of `size`, term by term."""
    return sum(math.comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(count + 1))


# --- regions and positions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "region", "expected"),
    [
        (1, 2, Region(above=0), "inside"),
        (0, 2, Region(above=0), "straddles"),
        (-1, 0, Region(above=0), "outside"),
        (1, 2, Region(below=3), "inside"),
        (1, 3, Region(below=3), "straddles"),
        (3, 4, Region(below=3), "outside"),
        (1, 2, Region(above=0, below=3), "inside"),
        (-1, 2, Region(above=0, below=3), "straddles"),
        (-1, 4, Region(above=0, below=3), "straddles"),
        (4, 5, Region(above=0, below=3), "outside"),
        (-2, -1, Region(above=0, below=3), "outside"),
        (NAN, NAN, Region(above=0), "straddles"),
        (NAN, NAN, Region(below=0), "straddles"),
        (1, INF, Region(above=0), "inside"),
        (INF, INF, Region(above=0), "inside"),
        (INF, INF, Region(below=0), "outside"),
        (-INF, INF, Region(above=0), "straddles"),
        (-INF, -INF, Region(below=0), "inside"),
        (-INF, -INF, Region(above=0), "outside"),
        (INF, INF, Region(above=0, below=3), "outside"),
    ],
)
def test_an_interval_is_inside_outside_or_neither(low, high, region, expected):
    assert position(Estimate(NAN, low, high, 5, "", lambda _: NAN), region) == expected


@pytest.mark.parametrize("bounds", [{}, {"above": 1.0, "below": 1.0}, {"above": 2.0, "below": 1.0}, {"above": NAN}])
def test_a_region_that_holds_nothing_or_everything_is_refused(bounds):
    with pytest.raises(ValueError, match="or every number does"):
        Region(**bounds)


# --- the median -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 31))
def test_the_medians_interval_is_made_of_order_statistics(size):
    values = sample(size)
    found = statistics.median(values)
    assert found.value == np.median(values)
    assert found.networks == size
    # The largest k for which the k-th smallest value lies above the median in at most 5 % of all cases.
    ranks = [k for k in range(1, size + 1) if binomial(k - 1, size) <= 0.05]
    if not ranks:
        assert size < 5
        assert np.isnan([found.low, found.high]).all()
        assert found.method == "none: too few networks"
    else:
        assert size >= 5
        assert (found.low, found.high) == (sorted(values)[max(ranks) - 1], sorted(values)[-max(ranks)])


@pytest.mark.parametrize("size", [1, 4, 5, 10])
def test_the_medians_p_value_counts_signs(size):
    values = sample(size)
    # Were the bound the median, each value would be above it or below with equal chance: all ways, counted.
    ways = np.array(list(itertools.product([0, 1], repeat=size))).sum(axis=1)
    for bound in (-1.0, 0.0, 0.3):
        above = (values > bound).sum()
        assert statistics.median(values).p_value(Region(above=bound)) == pytest.approx(np.mean(ways >= above))
        assert statistics.median(values).p_value(Region(below=bound)) == pytest.approx(np.mean(ways <= above))


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("size", [5, 10, 20])
def test_the_medians_interval_holds_whatever_the_distribution(kind, size):
    samples = DRAWS[kind](np.random.default_rng(size), (TIMES, size))
    above, below = missed(medians(samples), 1.0 if kind == "lognormal" else 0.0)
    # Ranks are whole numbers, so that few networks miss in fewer cases than 5 %: one in 32, say, for five.
    assert 0.01 < above < 0.05 + ERROR
    assert 0.01 < below < 0.05 + ERROR


def test_the_medians_interval_holds_for_values_that_are_often_equal():
    samples = np.random.default_rng(0).integers(-1, 2, (TIMES, 10)).astype(float)
    assert max(missed(medians(samples), 0.0)) < 0.05 + ERROR


def test_five_equal_values_have_their_median_for_certain_only_at_5_per_cent():
    found = statistics.median([2.0] * 5)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)
    assert found.p_value(Region(above=1)) == pytest.approx(1 / 32)
    assert found.p_value(Region(above=2)) == 1.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (NAN, NAN, NAN, 0)),
        ([NAN, NAN], (NAN, NAN, NAN, 0)),
        ([3.0], (3.0, NAN, NAN, 1)),
        ([1.0, NAN, 2.0], (1.5, NAN, NAN, 2)),
        ([4.0, 1.0, 2.0, 3.0], (2.5, NAN, NAN, 4)),
        ([4.0, 1.0, NAN, 2.0, 3.0, 5.0], (3.0, 1.0, 5.0, 5)),
        ([1.0, 2.0, INF, INF, INF], (INF, 1.0, INF, 5)),
        ([-INF] * 3 + [1.0, 2.0], (-INF, -INF, 2.0, 5)),
        ([-INF, INF], (NAN, NAN, NAN, 2)),
        ([1, 2, 3, 4, 5], (3.0, 1.0, 5.0, 5)),
    ],
)
def test_medians_of_few_missing_and_infinite_values(values, expected):
    found = statistics.median(values)
    np.testing.assert_equal((found.value, found.low, found.high, found.networks), expected)


# --- the mean ---------------------------------------------------------------------------------------------------------


def test_the_means_interval_by_hand():
    found = statistics.mean([1.0, 2.0, 3.0])
    # The standard error is 1 / sqrt(3), and 5 % of Student's t with two degrees of freedom lie above 2.919986.
    margin = 2.919986 / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - margin, 2 + margin), rel=1e-6)
    assert found.networks == 3


@pytest.mark.parametrize("size", [2, 3, 7, 40])
def test_the_mean_is_that_of_the_t_test(size):
    values = sample(size)
    found, test = statistics.mean(values), stats.ttest_1samp(values, 0.25)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.9)))
    for side, region in (("greater", Region(above=0.25)), ("less", Region(below=0.25))):
        assert found.p_value(region) == pytest.approx(stats.ttest_1samp(values, 0.25, alternative=side).pvalue)


@pytest.mark.parametrize("size", [3, 5, 10, 20])
def test_the_means_interval_holds_for_normal_values(size):
    above, below = missed(means(DRAWS["normal"](np.random.default_rng(size), (TIMES, size))), 0.0)
    assert (above, below) == pytest.approx((0.05, 0.05), abs=ERROR)


@pytest.mark.parametrize("size", [5, 10, 20])
def test_the_means_interval_misses_skewed_values_as_often_as_its_description_says(size):
    samples = DRAWS["lognormal"](np.random.default_rng(size), (TIMES, size))
    above, below = missed(means(samples), math.exp(0.5))
    assert above < 0.05
    assert below == pytest.approx(0.2, abs=0.05)
    above, below = missed(means(np.log(samples)), 0.0)
    assert (above, below) == pytest.approx((0.05, 0.05), abs=ERROR)


@pytest.mark.parametrize(
    ("values", "expected", "method"),
    [
        ([], (NAN, NAN, NAN, 0), "none: too few networks"),
        ([NAN], (NAN, NAN, NAN, 0), "none: too few networks"),
        ([3.0, NAN], (3.0, NAN, NAN, 1), "none: too few networks"),
        ([1.0, INF], (INF, NAN, NAN, 2), "none: a value is infinite"),
        ([1.0, -INF, INF], (NAN, NAN, NAN, 3), "none: a value is infinite"),
        ([0.5] * 3, (0.5, NAN, NAN, 3), "none: all networks are equal"),
    ],
)
def test_means_of_few_missing_infinite_and_equal_values(values, expected, method):
    found = statistics.mean(values)
    np.testing.assert_equal((found.value, found.low, found.high, found.networks), expected)
    assert found.method == method
    assert math.isnan(found.p_value(Region(above=0))) == math.isnan(found.low)


def test_the_mean_of_two_has_a_value_although_students_distribution_has_no_mean():
    assert statistics.mean([1.0, 2.0]).value == 1.5


# --- equivalence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 12])
def test_between_two_thresholds_is_two_one_sided_tests(size):
    inside = 0
    for seed in range(60):
        values, region = 0.5 * sample(size, seed), Region(above=-0.4, below=0.4)
        found = statistics.mean(values)
        tests = [
            stats.ttest_1samp(values, bound, alternative=side).pvalue
            for bound, side in ((-0.4, "greater"), (0.4, "less"))
        ]
        assert found.p_value(region) == pytest.approx(max(tests))
        assert (position(found, region) == "inside") == (max(tests) < 0.05)
        inside += max(tests) < 0.05
    assert 0 < inside < 60


def test_equivalence_is_claimed_in_error_in_at_most_5_per_cent():
    # The truth lies on the threshold, so that every "inside" is an error.
    samples = 0.4 + 0.3 * np.random.default_rng(0).standard_normal((TIMES, 10))
    region = Region(above=-0.4, below=0.4)
    for low, high in (means(samples), medians(samples)):
        assert 0.01 < np.mean((low > region.above) & (high < region.below)) < 0.05 + ERROR


def test_too_few_networks_are_no_evidence_of_equality():
    # The same two groups: no difference is found, and none the less no equivalence is.
    found = statistics.mean([-0.5, 0.1, 0.3])
    assert position(found, Region(above=-0.4, below=0.4)) == "straddles"
    assert found.low < 0 < found.high


@pytest.mark.parametrize("interval", [statistics.median, statistics.mean])
def test_intervals_and_p_values_decide_alike(interval):
    decided = set()
    for seed, bound, size in itertools.product(range(30), (-0.9, -0.4, 0.0, 0.6), (5, 9)):
        found = interval(sample(size, seed))
        for region in (Region(above=bound), Region(below=bound), Region(above=bound, below=bound + 1.5)):
            assert (position(found, region) == "inside") == (found.p_value(region) <= 0.05)
            decided.add(position(found, region))
    assert decided == {"inside", "outside", "straddles"}


# --- shares -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(0, 3), (3, 3), (2, 5), (7, 10), (19, 20)])
def test_the_interval_of_a_share_leaves_5_per_cent_beyond_either_end(count, size):
    found = statistics.share(count, size)
    assert found.value == count / size
    if count > 0:
        assert 1 - binomial(count - 1, size, found.low) == pytest.approx(0.05)
    if count < size:
        assert binomial(count, size, found.high) == pytest.approx(0.05)
    assert (found.low == 0, found.high == 1) == (count == 0, count == size)
    assert found.p_value(Region(above=0.3)) == pytest.approx(1 - binomial(count - 1, size, 0.3) if count else 1)
    assert found.p_value(Region(below=0.3)) == pytest.approx(binomial(count, size, 0.3))


def test_three_of_three_are_more_than_a_third_and_no_more_than_that():
    found = statistics.share(3, 3)
    assert position(found, Region(above=1 / 3)) == "inside"
    assert position(found, Region(above=0.5)) == "straddles"
    assert (found.p_value(Region(above=-0.1)), found.p_value(Region(above=1.1))) == (0, 1)
    assert math.isnan(statistics.share(0, 0).low)


@pytest.mark.parametrize("size", [3, 10])
def test_the_interval_of_a_share_holds(size):
    for truth in (0.1, 0.5, 0.8):
        # How often each count comes, exactly, and whether its interval misses.
        chances = [math.comb(size, k) * truth**k * (1 - truth) ** (size - k) for k in range(size + 1)]
        intervals = [statistics.share(k, size) for k in range(size + 1)]
        assert sum(p for p, each in zip(chances, intervals, strict=True) if each.low > truth) <= 0.05
        assert sum(p for p, each in zip(chances, intervals, strict=True) if each.high < truth) <= 0.05


# --- distributions, computed numbers, several tests -------------------------------------------------------------------


def test_a_distribution_gives_its_quantiles():
    found = statistics.of_distribution(stats.norm(3, 2), 7, "normal")
    assert (found.value, found.low, found.high) == pytest.approx((3, 3 - 2 * 1.644854, 3 + 2 * 1.644854), abs=1e-5)
    assert found.p_value(Region(above=found.low)) == pytest.approx(0.05)
    assert found.p_value(Region(below=found.high)) == pytest.approx(0.05)
    assert found.p_value(Region(above=3, below=9)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("value", "region", "expected", "p_value"),
    [
        (1.0, Region(above=0), "inside", 0),
        (0.0, Region(above=0), "outside", 1),
        (INF, Region(above=0), "inside", 0),
        (INF, Region(below=0), "outside", 1),
        (NAN, Region(above=0), "straddles", NAN),
    ],
)
def test_a_computed_number_is_its_own_interval(value, region, expected, p_value):
    found = statistics.exact(value)
    assert found.networks == 0
    assert position(found, region) == expected
    np.testing.assert_equal(found.p_value(region), p_value)


def rejected(p_values: np.ndarray, level: float) -> set[int]:
    """Holm's method as he describes it: from the smallest, until one is above level / (how many are left)."""
    found: set[int] = set()
    for place in sorted(range(len(p_values)), key=lambda place: p_values[place]):
        if p_values[place] > level / (len(p_values) - len(found)):
            break
        found.add(place)
    return found


def test_holms_p_values_are_the_levels_at_which_his_method_rejects():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    generator = np.random.default_rng(0)
    for size in (1, 2, 5, 9):
        p_values = generator.uniform(0, 0.2, size)
        adjusted = statistics.holm(p_values)
        for level in (0.01, 0.05, 0.2, 0.6):
            assert rejected(p_values, level) == {place for place in range(size) if adjusted[place] <= level}


def test_what_has_no_p_value_is_not_counted():
    np.testing.assert_allclose(statistics.holm([NAN, 0.02, 0.03, NAN]), [NAN, 0.04, 0.04, NAN])
    assert list(statistics.holm([])) == []
    assert list(statistics.holm([0.9, 0.8])) == [1, 1]
