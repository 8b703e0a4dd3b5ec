import numpy as np
import pytest
from scipy.stats import linregress

from repro.random_matrices import (
    condition_against_depth,
    condition_decades_per_factor,
    fitted_growth,
    gaussian_factors,
    gaussian_product_spectra,
    largest_singular_value,
    lyapunov_exponents,
    product_singular_values,
    singular_value_law,
)


def test_lyapunov_exponents_are_mean_logarithms_of_projected_gaussian_lengths():
    """The volume of i Gaussian vectors is a product of chi lengths with N, N-1, ... degrees of freedom."""
    size = 6
    generator = np.random.default_rng(0)
    lengths = [np.log(np.sqrt(generator.chisquare(size - i, 200_000) / size)) for i in range(size)]
    error = [5 * sample.std() / np.sqrt(200_000) for sample in lengths]
    assert np.all(np.abs(lyapunov_exponents(size) - [sample.mean() for sample in lengths]) < error)
    np.testing.assert_allclose(lyapunov_exponents(size, scale=3.0), lyapunov_exponents(size) + np.log(3))


def test_singular_values_of_long_products_grow_with_the_exponents():
    size, factors, draws = 5, 150, 8
    values = gaussian_product_spectra(size, factors, draws, seed=1)
    rates = np.log(values) / factors  # (draws, size)
    # Akemann, Burda and Kieburg: variance psi'((N-i+1)/2)/4 per factor, at most pi^2/8
    error = np.sqrt(np.pi**2 / 8 / factors / draws)
    assert np.abs(rates.mean(axis=0) - lyapunov_exponents(size)).max() < 5 * error


def test_condition_rate_of_the_paper_size():
    assert condition_decades_per_factor(1000) == pytest.approx(1.7756, abs=0.0001)
    assert condition_decades_per_factor(1) == 0


def test_fitted_growth_covers_theory_and_is_the_mean_of_per_draw_regressions():
    depths = [16, 24, 32, 40]
    smallest, largest = condition_against_depth(12, depths, 10, seed=2)
    fit = fitted_growth(depths, smallest, largest, size=12, confidence=0.999)
    slopes = [linregress(depths, np.log10(high / low)).slope for low, high in zip(smallest, largest, strict=True)]
    assert fit.slope == pytest.approx(np.mean(slopes))
    assert fit.low < fit.theory < fit.high
    assert fit.high - fit.low < fit.theory  # an interval that tells the rate from none
    assert fit.low > 0


def test_chains_measure_the_products_they_name():
    smallest, largest = condition_against_depth(6, [3, 1], 2, seed=9)
    again, _ = condition_against_depth(6, [3], 1, seed=9)
    assert again[0, 0] == smallest[0, 0]
    sequence = np.random.SeedSequence(9).spawn(2)[0]
    factors = gaussian_factors([6] * 4, seed=sequence)
    values = product_singular_values(factors)
    assert (smallest[0, 0], largest[0, 0]) == (pytest.approx(values[-1]), pytest.approx(values[0]))
    values = product_singular_values(factors[-1:])
    assert (smallest[0, 1], largest[0, 1]) == (pytest.approx(values[-1]), pytest.approx(values[0]))


@pytest.mark.parametrize("factors", [1, 3])
def test_largest_value_has_the_tracy_widom_mean_and_deviation(factors):
    draws = 150
    largest = gaussian_product_spectra(60, factors, draws, seed=3)[:, 0]
    edge = largest_singular_value(60, factors)
    assert edge.limit == singular_value_law(factors).support()[1]
    # the correction of the next order, M/N, is a fraction of the deviation
    assert abs(largest.mean() - edge.mean) < 4 * largest.std() / np.sqrt(draws) + 0.2 * edge.deviation
    assert largest.std() == pytest.approx(edge.deviation, rel=0.25)
    assert abs(largest.mean() - edge.limit) > 5 * largest.std() / np.sqrt(draws)  # the limit alone would not do


@pytest.mark.parametrize("factors", [1, 2])
def test_smallest_value_falls_with_the_stated_power_of_the_size(factors):
    sizes = [8, 16, 32, 64]
    medians = [np.median(np.log(gaussian_product_spectra(n, factors, 60, seed=n)[:, -1])) for n in sizes]
    slope = linregress(np.log(sizes), medians).slope
    assert slope == pytest.approx(-(factors + 1) / 2, abs=0.35)


def test_bad_input_is_refused():
    for call in (
        lambda: lyapunov_exponents(0),
        lambda: lyapunov_exponents(3, scale=-1),
        lambda: largest_singular_value(3, 0),
        lambda: largest_singular_value(3, 1.5),
        lambda: largest_singular_value(3, np.inf),
        lambda: largest_singular_value(np.nan, 2),
        lambda: largest_singular_value(3, 100, scale=1e10),
        lambda: lyapunov_exponents(np.inf),
        lambda: condition_against_depth(3, [], 1, seed=0),
        lambda: condition_against_depth(3, [0], 1, seed=0),
        lambda: condition_against_depth(3, [1], 0, seed=0),
        lambda: fitted_growth([1], np.ones((2, 1)), np.ones((2, 1)), size=3),
        lambda: fitted_growth([1, 2], np.ones((1, 2)), np.ones((1, 2)), size=3),
        lambda: fitted_growth([1, 2], np.zeros((2, 2)), np.ones((2, 2)), size=3),
        lambda: fitted_growth([1, 2], np.ones((2, 2)), np.ones((2, 2)), size=3, confidence=1),
    ):
        with pytest.raises(ValueError, match=r"size|scale|factors|depth|draws|positive|confidence"):
            call()
