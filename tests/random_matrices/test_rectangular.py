import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.random_matrices import (
    RectangularSingularValueLaw,
    gaussian_factors,
    product_singular_values,
    singular_value_law,
)


@pytest.mark.parametrize("widths", [(1, 2), (2, 1), (5, 4)])
def test_one_factor_is_marchenko_pastur(widths):
    law = RectangularSingularValueLaw(widths)
    ratio = widths[0] / widths[1]
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    np.testing.assert_allclose(np.square(law.support()), [low, high], rtol=1e-14)
    y = np.linspace(*law.support(), 30)[1:-1]
    exact = np.sqrt((high - y**2) * (y**2 - low)) / (np.pi * ratio * y) / min(1, 1 / ratio)
    np.testing.assert_allclose(law.pdf(y), exact, rtol=1e-12)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    half = (y[20] - y[8]) / 2
    integral = half * np.sum(weights * law.pdf(y[8] + half * (nodes + 1)))
    assert law.cdf(y[20]) - law.cdf(y[8]) == pytest.approx(integral, rel=1e-11)


@pytest.mark.parametrize("factors", [1, 2, 5])
def test_equal_widths_are_the_law_of_square_factors(factors):
    law = RectangularSingularValueLaw([7] * (factors + 1), scales=1.2)
    square = singular_value_law(factors, scale=1.2**factors)
    y = np.linspace(0.01, 0.99, 20) * square.support()[1]
    np.testing.assert_allclose(law.support(), square.support(), rtol=1e-13)
    np.testing.assert_allclose(law.pdf(y), square.pdf(y), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(y), square.cdf(y), rtol=1e-11)
    assert law.moment(3) == pytest.approx(square.moment(3), rel=1e-11)
    assert law.pdf(0) == (pytest.approx(square.pdf(0), rel=1e-8) if factors == 1 else np.inf)


@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=5))
@settings(max_examples=12, deadline=None)
def test_algebraic_equation_moments_and_quantiles(widths):
    law = RectangularSingularValueLaw(widths)
    a = widths[0] / np.asarray(widths)[1:]
    # first two moments of X'X from x = (1 + w)/w prod (1 + a_i w): m_1 = 1, m_2 = 1 + sum a_i, over all N_0 eigenvalues
    assert law.moment(2) * law.nonzero_share == pytest.approx(1, rel=1e-6)
    assert law.moment(4) * law.nonzero_share == pytest.approx(1 + a.sum(), rel=1e-6)
    q = np.array([0.05, 0.4, 0.9])
    np.testing.assert_allclose(law.cdf(law.ppf(q)), q, rtol=1e-8)
    # the density is the imaginary part of a root of the polynomial (1 + w) prod (1 + a_i w) - x w
    y = law.ppf(0.6)
    polynomial = np.array([1.0, 1.0])
    for ratio in a:
        polynomial = np.convolve(polynomial, [ratio, 1.0])
    polynomial[-2] -= y**2
    imaginary = -law.pdf(y) * law.nonzero_share * np.pi * y / 2
    assert np.abs(np.roots(polynomial).imag - imaginary).min() < 1e-6 * max(1, abs(imaginary))


@pytest.mark.parametrize("widths", [(300, 450, 200, 500), (200, 400, 300), (400, 300, 200)])
def test_finite_matrices_follow_the_law(widths):
    scales = np.linspace(0.5, 2, len(widths) - 1)
    law = RectangularSingularValueLaw(widths, scales)
    values = product_singular_values(gaussian_factors(widths, scales=scales, seed=1))
    values = np.sort(values[values > 0])
    assert len(values) == min(widths)
    distance = np.abs(law.cdf(values) - (np.arange(200) + 0.5) / 200).max()
    assert distance < 0.02  # independent values would scatter by 0.06; rigid ones by a few times 1/N


def test_bad_input_is_refused_and_outside_is_answered_as_scipy_does():
    for widths in ([3], [3, 0], [3, np.nan], [3, -1]):
        with pytest.raises(ValueError, match="widths"):
            RectangularSingularValueLaw(widths)
    with pytest.raises(ValueError, match="scale"):
        RectangularSingularValueLaw([3, 2], scales=0)
    law = RectangularSingularValueLaw([1, 2])
    np.testing.assert_array_equal(law.pdf([0.1, 5.0, np.nan]), [0, 0, np.nan])
    np.testing.assert_array_equal(law.cdf([0.1, 5.0]), [0, 1])
    np.testing.assert_array_equal(law.ppf([-1.0, np.nan]), [np.nan, np.nan])
