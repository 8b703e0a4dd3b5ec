import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import comb

from repro.random_matrices import singular_value_law, squared_singular_value_law
from tests.oracles.random_matrices_fuss_catalan import edge, law_at, tail_at_angle, value_at_angle

LAWS = [(squared_singular_value_law, 1), (singular_value_law, 2)]


def grid(factors, power):
    """From 1e-300 over the bulk to one rounding error below the right edge."""
    exact = edge(factors, power)
    end = float(exact)
    points = np.concatenate(
        [
            [1e-300, 1e-120, 1e-20, 1e-5],
            np.array([0.1, 0.4, 0.8]) * end,
            end * (1 - np.array([1e-2, 1e-7, 1e-12, 2.3e-16])),
        ]
    )
    return points[points < exact]


@pytest.mark.parametrize("factors", [1, 2, 3, 5, 20, 64])
@pytest.mark.parametrize(("law", "power"), LAWS)
def test_density_distribution_and_tail_agree_with_mpmath_to_1e_12_up_to_both_edges(law, power, factors):
    points = grid(factors, power)
    exact = [law_at(float(point), factors, power) for point in points]
    for column, computed in enumerate([law.pdf(points, factors), law.cdf(points, factors), law.sf(points, factors)]):
        relative = [abs(float(value / oracle[column] - 1)) for value, oracle in zip(computed, exact, strict=True)]
        assert max(relative) < 1e-12


@pytest.mark.parametrize("factors", [1, 2, 5, 64, 500])
@pytest.mark.parametrize(("law", "power"), LAWS)
def test_quantiles_agree_with_mpmath_at_given_angles(law, power, factors):
    # the angle is chosen, its tail and value follow exactly; a rounded probability moves x by its own condition only
    for share in (1e-9, 1e-3, 0.3, 0.7, 0.95, 1 - 1e-6):
        with mpmath.workdps(60):
            p = mpmath.mpf(share) * mpmath.pi / (factors + 1)
            value = mpmath.root(value_at_angle(p, factors), power)
            above = tail_at_angle(p, factors)
            if above > 0.5:
                below = float(1 - above)
                # d log x / d log F is at most (M+1)/power at the left end
                computed, tolerance = law.ppf(below, factors), 1e-15 * (factors + 50)
            else:
                computed, tolerance = law.isf(float(above), factors), 1e-13
            if value < mpmath.mpf(10) ** -330:
                assert computed == 0
            else:
                assert abs(float(computed / value - 1)) < tolerance


@given(st.integers(1, 200), st.floats(1e-200, 1.0))
@settings(max_examples=100, deadline=None)
def test_quantile_and_distribution_invert_each_other(factors, probability):
    value = squared_singular_value_law.ppf(probability, factors)
    if value > 1e-290:  # below, the quantile itself is not a normal number
        assert squared_singular_value_law.cdf(value, factors) == pytest.approx(probability, rel=1e-11)


@given(st.integers(1, 100), st.floats(1e-3, 1.0))
@settings(max_examples=50, deadline=None)
def test_square_root_law_is_the_law_of_the_square_root(factors, share):
    y = share * singular_value_law(factors).support()[1]
    assert singular_value_law.sf(y, factors) == pytest.approx(
        squared_singular_value_law.sf(y * y, factors), rel=1e-8, abs=1e-12
    )


@pytest.mark.parametrize("factors", [1, 2, 3, 5])
def test_formula_is_the_density_of_the_squared_singular_value(factors):
    """The statement's slip: with x the singular value its second moment would not be one, s = 1."""
    x_mean = squared_singular_value_law.moment(1, factors)
    assert x_mean == 1.0  # E[tr X'X / N] = 1
    assert squared_singular_value_law.moment(2, factors) == factors + 1
    assert singular_value_law.moment(2, factors) == 1.0
    generator = np.random.default_rng(factors)
    products = [
        np.linalg.multi_dot([np.eye(300), *generator.standard_normal((factors, 300, 300)) / 300**0.5]) for _ in range(2)
    ]
    values = np.concatenate([np.linalg.svd(product, compute_uv=False) for product in products])
    as_square = np.abs(squared_singular_value_law.cdf(np.sort(values**2), factors) - np.linspace(0, 1, 600)).max()
    as_stated = np.abs(squared_singular_value_law.cdf(np.sort(values), factors) - np.linspace(0, 1, 600)).max()
    assert as_square < 0.02 < 0.1 < as_stated


@pytest.mark.parametrize("factors", [1, 3, 7])
def test_moments_are_fuss_catalan_numbers_and_integrals_of_the_density(factors):
    for k in (1, 2, 3, 6):
        catalan = comb((factors + 1) * k, k, exact=True) / (factors * k + 1)
        assert squared_singular_value_law.moment(k, factors) == pytest.approx(catalan, rel=1e-14)
        # substituting the quantile makes the integrand bounded at both ends
        integral, _ = quad(
            lambda q, k=k: squared_singular_value_law.ppf(q, factors) ** k, 0, 1, epsabs=0, epsrel=1e-9, limit=200
        )
        assert integral == pytest.approx(catalan, rel=1e-7)
    for k in (1, 3, 5):
        with mpmath.workdps(30):
            s = mpmath.mpf(k) / 2
            exact = mpmath.gamma((factors + 1) * s + 1) / (mpmath.gamma(s + 1) * mpmath.gamma(factors * s + 2))
        assert singular_value_law.moment(k, factors) == pytest.approx(float(exact), rel=1e-13)


def test_moments_beyond_the_range_of_doubles_are_refused_and_those_below_are_right():
    for law, order in ((squared_singular_value_law, 300), (singular_value_law, 601)):
        with pytest.raises(ValueError, match="above the range of double precision"):
            law.moment(order, 20)
    with mpmath.workdps(30):
        for order in (180, 181, 340, 341):
            k = mpmath.mpf(order) / 2
            exact = mpmath.gamma(21 * k + 1) / (mpmath.gamma(k + 1) * mpmath.gamma(20 * k + 2))
            assert singular_value_law.moment(order, 20) == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("factors", [1, 2, 5, 8, 16, 64])
def test_expectations_are_exact(factors):
    """Over x the density's peak at zero was missed: E 1 = 1.05 for eight factors."""
    squared, plain = squared_singular_value_law(factors), singular_value_law(factors)
    for law in (squared, plain):
        assert law.expect(lambda x: 1.0) == pytest.approx(1, abs=1e-14)
        assert law.expect() == pytest.approx(law.mean(), rel=1e-9)
        assert law.expect(lambda x: x**3) == pytest.approx(law.moment(3), rel=1e-7)
    # derivative of the moments at order zero: (M+1) psi(1) - psi(1) - M psi(2) = -M
    assert squared.expect(np.log) == pytest.approx(-factors, abs=1e-6)
    assert plain.expect(np.log) == pytest.approx(-factors / 2, abs=1e-6)


def test_expectations_over_a_part_of_the_support():
    law = singular_value_law(factors=3, loc=1.0, scale=2.0)
    low, middle, high = law.ppf([0.01, 0.3, 0.999])
    for ends in ((low, middle), (middle, high), (law.median(), high), (low, law.support()[1]), (-np.inf, middle)):
        inside = law.cdf(ends[1]) - law.cdf(ends[0])
        exact, _ = quad(lambda q: law.ppf(q) ** 2, law.cdf(ends[0]), law.cdf(ends[1]), epsabs=1e-12)
        found = law.expect(lambda x: x**2, lb=ends[0], ub=ends[1])
        assert found == pytest.approx(exact, rel=1e-8)
        assert law.expect(lambda x: x**2, lb=ends[0], ub=ends[1], conditional=True) == pytest.approx(
            exact / inside, rel=1e-8
        )
        assert law.expect(lambda x: x**2, lb=ends[1], ub=ends[0]) == pytest.approx(-exact, rel=1e-8)
    # far out, where the probabilities of both ends round to the same number
    ends = law.isf([2e-20, 1e-20])
    assert law.expect(lambda x: 1.0, lb=ends[0], ub=ends[1]) == pytest.approx(1e-20, rel=1e-3)
    assert np.isnan(singular_value_law.expect(lambda x: 1.0, (2.5,)))


@pytest.mark.parametrize("factors", [1, 2, 5, 8, 20])
def test_entropy_agrees_with_mpmath(factors):
    """-E log density over the theorem's angle, at 30 digits and straight from its formulas."""
    with mpmath.workdps(30):
        m = factors

        def log_density(p):
            x = value_at_angle(p, m)
            return mpmath.log(mpmath.sin((m + 1) * p) * mpmath.sin(p) / (mpmath.pi * x * mpmath.sin(m * p)))

        def integrand(p):
            return -log_density(p) * mpmath.diff(lambda t: -tail_at_angle(t, m), p)

        end = mpmath.pi / (m + 1)
        # dF = -d(1-F) and F falls with p
        exact = -float(mpmath.quad(integrand, [0, end / 2, end * (1 - mpmath.mpf(10) ** -25)]))
    assert squared_singular_value_law.entropy(factors) == pytest.approx(exact, abs=1e-8)
    # y = sqrt(x): h(y) = h(x) + E log |dy/dx| = h(x) - log 2 - E log(x)/2
    assert singular_value_law.entropy(factors) == pytest.approx(exact - np.log(2) + factors / 2, abs=1e-8)


def test_entropy_of_one_factor_in_closed_form():
    """The quarter circle is half of a semicircle, whose entropy is log(2 pi) - 1/2."""
    assert singular_value_law.entropy(1) == pytest.approx(np.log(np.pi) - 0.5, abs=1e-10)
    assert singular_value_law(1, scale=3).entropy() == pytest.approx(np.log(3 * np.pi) - 0.5, abs=1e-10)


def test_one_factor_is_the_quarter_circle_and_marchenko_pastur():
    y = np.linspace(0, 2, 41)[:-1]
    np.testing.assert_allclose(singular_value_law.pdf(y, 1), np.sqrt(4 - y**2) / np.pi, rtol=1e-13)
    x = np.linspace(0.01, 3.99, 41)
    np.testing.assert_allclose(squared_singular_value_law.pdf(x, 1), np.sqrt((4 - x) / x) / (2 * np.pi), rtol=1e-13)


def test_samples_follow_the_law_and_repeat_with_the_seed():
    law = singular_value_law(factors=3)
    sample = law.rvs(size=4000, random_state=5)
    assert np.array_equal(sample, law.rvs(size=4000, random_state=5))
    # independent values, so that the classical 99.9 % bound of Kolmogorov applies
    deviation = np.abs(law.cdf(np.sort(sample)) - (np.arange(4000) + 0.5) / 4000).max()
    assert deviation < 1.95 / np.sqrt(4000)


def test_variance_enters_as_scale():
    s = 1.5
    law = squared_singular_value_law(factors=2, scale=s**4)
    assert law.mean() == pytest.approx(s**4)
    assert law.support()[1] == pytest.approx(27 / 4 * s**4)


def test_answers_to_bad_input_are_those_of_scipy():
    law = singular_value_law(factors=3)
    end = law.support()[1]
    np.testing.assert_array_equal(law.pdf([-1.0, end + 1, np.nan]), [0, 0, np.nan])
    np.testing.assert_array_equal(law.cdf([-1.0, 0, end + 1, np.nan]), [0, 0, 1, np.nan])
    np.testing.assert_array_equal(law.sf([-1.0, 0, end + 1]), [1, 1, 0])
    np.testing.assert_array_equal(law.ppf([-0.1, 1.1, np.nan, 0]), [np.nan, np.nan, np.nan, 0])
    assert law.ppf(1.0) == end
    assert law.pdf(0.0) == np.inf
    assert law.pdf(end) == pytest.approx(0, abs=1e-6)
    for wrong in (0, -1, 2.5, np.nan, np.inf, 10_001):
        for method in ("pdf", "cdf", "sf", "ppf", "isf", "entropy"):
            arguments = (wrong,) if method == "entropy" else (0.5, wrong)
            assert np.isnan(getattr(singular_value_law, method)(*arguments))
        with pytest.raises(ValueError, match="Domain error"):
            singular_value_law.rvs(wrong)


def test_the_largest_number_of_factors():
    law = singular_value_law(10_000)
    assert law.support()[1] == pytest.approx(float(edge(10_000, 2)), rel=1e-15)
    assert law.cdf(law.ppf(0.99)) == pytest.approx(0.99, rel=1e-9)


def test_arrays_of_factors_broadcast_and_empty_arrays_stay_empty():
    values = singular_value_law.cdf(np.array([[0.5], [1.0]]), [1, 2, 3])
    assert values.shape == (2, 3)
    assert values[1, 2] == singular_value_law.cdf(1.0, 3)
    assert singular_value_law.pdf(np.array([]), 3).shape == (0,)
