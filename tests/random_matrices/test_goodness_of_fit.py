import numpy as np
import pytest
from scipy.stats import kstest

from repro.random_matrices import distance_to_law, gaussian_product_spectra, goodness_of_fit, singular_value_law

SIZE, FACTORS = 60, 3


@pytest.fixture(scope="module")
def spectra():
    return gaussian_product_spectra(SIZE, FACTORS, 240, seed=0)


def test_distance_is_kolmogorovs(spectra):
    expected = [kstest(values, singular_value_law(FACTORS).cdf).statistic for values in spectra[:5]]
    np.testing.assert_allclose(distance_to_law(spectra[:5], FACTORS), expected)
    np.testing.assert_allclose(distance_to_law(spectra[0] * 8, FACTORS, scale=8), expected[0])


def test_independent_theory_would_call_any_spectrum_too_good(spectra):
    """Why the usual p-value is of no use: rigid spectra give values near one, and miss a law that is 5 % too wide."""
    law, wrong = singular_value_law(FACTORS), singular_value_law(FACTORS, scale=1.05)
    assert min(kstest(values, law.cdf).pvalue for values in spectra) > 0.9
    assert np.median([kstest(values, wrong.cdf).pvalue for values in spectra]) > 0.9


def test_p_value_is_uniform_under_the_hypothesis(spectra):
    groups = spectra.reshape(12, 20, SIZE)
    p_values = [goodness_of_fit(group[:8], group[8:], FACTORS).p_value for group in groups]
    assert kstest(p_values, "uniform").pvalue > 1e-3


def test_wrong_variance_wrong_number_of_factors_and_wrong_entries_are_seen(spectra):
    reference = spectra[20:]
    assert goodness_of_fit(spectra[:10], reference, FACTORS).p_value > 0.01
    assert goodness_of_fit(spectra[:10] * 1.1, reference, FACTORS).p_value < 0.01
    assert goodness_of_fit(gaussian_product_spectra(SIZE, 2, 10, seed=1), reference, FACTORS).p_value < 1e-4
    assert goodness_of_fit(spectra[:10] * 1.1, reference, FACTORS, scale=1.1).p_value > 0.01


def test_bad_input_is_refused(spectra):
    for values, factors, scale in (
        ([], 3, 1),
        ([np.nan], 3, 1),
        ([-1.0], 3, 1),
        ([1.0], 0, 1),
        ([1.0], 2.5, 1),
        ([1.0], np.inf, 1),
        ([1.0], np.nan, 1),
        ([1.0], 10_001, 1),
        ([1.0], 3, 0),
        (1.0, 3, 1),
    ):
        with pytest.raises(ValueError, match=r"spectrum|factors|scale"):
            distance_to_law(values, factors, scale=scale)
    with pytest.raises(ValueError, match="two reference"):
        goodness_of_fit(spectra[:2], spectra[:1], 3)
    with pytest.raises(ValueError, match="one N"):
        goodness_of_fit(spectra[:2], spectra[:5, :-1], 3)
