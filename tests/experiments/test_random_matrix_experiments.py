"""Figures 8 and 9 and the condition number: against direct decompositions and the formulas."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from repro import config
from repro.errors import UserError
from repro.experiments import condition_growth, limiting_spectrum, product_spectra
from repro.random_matrices import (
    condition_decades_per_factor,
    gaussian_factors,
    product_singular_values,
    singular_value_law,
)


def configuration(**experiments) -> config.Configuration:
    return config.validate({"name": "test", "experiments": experiments})


def outcomes(experiment, table) -> list[str]:
    return [claim.decide(table).outcome for claim in experiment.CLAIMS]


@pytest.fixture(scope="module")
def laws():
    return limiting_spectrum.measure(configuration())


@pytest.fixture(scope="module")
def spectra():
    return product_spectra.measure(configuration(product_spectra={"size": 200, "draws": 4, "reference_draws": 8}))


@pytest.fixture(scope="module")
def growth():
    return condition_growth.measure(configuration(condition_growth={"sizes": [10], "draws": 20}))


def test_densities_integrate_to_the_probabilities(laws):
    for _, law in laws.groupby("factors"):
        for variable, density in (("squared_singular_value", "squared_density"), ("singular_value", "density")):
            # The trapezoidal rule in ln x: the integrand x rho(x) is bounded.
            logarithms = np.log(law[variable])
            integral = np.trapezoid(law[density] * law[variable], logarithms)
            assert integral == pytest.approx(1 - limiting_spectrum.SMALLEST, abs=2e-3)


def test_theorem_1_is_about_the_squared_singular_values(laws):
    # Second moment of the singular values of any such product: 1. Of x itself it is M + 1.
    for factors, law in laws.groupby("factors"):
        x = law["squared_singular_value"].to_numpy()
        mean = np.trapezoid(x, law["probability"])
        assert mean == pytest.approx(1, rel=0.01)
        assert np.trapezoid(x**2, law["probability"]) == pytest.approx(factors + 1, rel=0.01)
        drawn = np.linalg.svd(np.linalg.multi_dot([np.eye(300), *gaussian_factors([300] * (factors + 1), seed=1)]))
        assert np.mean(drawn.S**2) == pytest.approx(mean, rel=0.1)


def test_limiting_spectrum_is_summarised_drawn_and_judged(laws):
    summary = limiting_spectrum.summarise(laws)
    assert summary["largest singular value"].to_numpy() == pytest.approx(
        summary["formula ((M+1)^(M+1)/M^M)^(1/2)"].to_numpy()
    )
    figure = limiting_spectrum.plot(laws)
    assert [len(axis.lines) for axis in figure.axes] == [5, 5]
    assert outcomes(limiting_spectrum, laws) == ["supported"]
    wrong = laws.assign(squared_density=laws["density"])
    assert outcomes(limiting_spectrum, wrong) == ["not supported"]


def test_histograms_count_every_singular_value(spectra):
    figure = product_spectra.plot(spectra)
    for axis, factors in zip(figure.axes, (1, 3, 5), strict=True):
        measured, expected = (patch.get_data().values for patch in axis.patches)
        assert measured.sum() == 4 * 200
        assert len(measured) == product_spectra.BINS
        drawn = spectra[(spectra["factors"] == factors) & (spectra["sample"] == "drawn")]
        values = drawn["singular_value"]
        width = values.max() / product_spectra.BINS
        assert measured[0] == sum(value < width for value in values)
        assert expected.sum() == pytest.approx(800, rel=0.01)


def test_published_numbers_stand_only_beside_the_published_set_up(spectra):
    assert product_spectra.summarise(spectra)["counts, published"].isna().all()


def test_product_spectra_are_judged_both_ways(spectra):
    assert outcomes(product_spectra, spectra) == ["supported", "supported", "supported"]
    factor = np.where(spectra["sample"] == "drawn", 1.2, 1.0)
    stretched = spectra.assign(singular_value=factor * spectra["singular_value"])
    assert outcomes(product_spectra, stretched)[:2] == ["not supported", "not supported"]
    alike = spectra[spectra["factors"] == 1]
    repeated = pd.concat([alike, alike.assign(factors=3)])
    assert outcomes(product_spectra, repeated)[2] == "supported"
    assert outcomes(product_spectra, alike)[2] == "undecided"


def test_the_fit_ranks_distances_to_the_law(spectra):
    for factors in (1, 3, 5):
        law = singular_value_law(factors=factors)
        distances = {}
        for (sample, draw), rows in spectra[spectra["factors"] == factors].groupby(["sample", "draw"]):
            distances[sample, draw] = scipy.stats.kstest(rows["singular_value"], law.cdf).statistic
        drawn, reference = ([d for (s, _), d in distances.items() if s == name] for name in ("drawn", "reference"))
        assert (len(drawn), len(reference)) == (4, 8)
        distance, p_value = product_spectra.fit(spectra, factors)
        assert distance == pytest.approx(np.median(drawn))
        # By brute force: the share of all ways to choose the four drawn among the twelve whose rank sum is as large.
        ranks = scipy.stats.rankdata(drawn + reference)
        sums = [sum(chosen) for chosen in itertools.combinations(ranks, 4)]
        assert p_value == pytest.approx(np.mean([total >= sum(ranks[:4]) for total in sums]))


def test_reference_spectra_are_those_of_the_plain_product(spectra):
    factors = gaussian_factors([200] * 4, seed=np.random.SeedSequence([1, 2]))
    exact = product_singular_values(factors)
    rows = spectra[(spectra["factors"] == 3) & (spectra["sample"] == "reference") & (spectra["draw"] == 2)]
    np.testing.assert_allclose(rows["singular_value"], exact, atol=1e-13)


def test_condition_numbers_agree_with_a_direct_decomposition(growth):
    for factors in (1, 2):
        rows = growth[growth["factors"] == factors]
        assert len(rows) == 20
        np.testing.assert_allclose(rows["log10_condition"], rows["log10_largest"] - rows["log10_smallest"])
        # An independent draw of the same ensemble, decomposed after forming the product: medians within a factor 3.
        conditions = []
        for seed in range(200):
            drawn = gaussian_factors([10] * (factors + 1), seed=seed)
            conditions.append(np.log10(np.linalg.cond(np.linalg.multi_dot([np.eye(10), *drawn]))))
            if seed < 3:
                values = product_singular_values(drawn)
                assert np.log10(values[0] / values[-1]) == pytest.approx(conditions[-1], rel=1e-6)
        assert rows["log10_condition"].median() == pytest.approx(np.median(conditions), abs=0.5)
    # Beyond 1e16 a formed product's condition number is noise; here it goes on growing.
    assert growth.loc[growth["factors"] == 64, "log10_condition"].median() > 30


def test_the_fitted_rate_agrees_with_the_lyapunov_exponents(growth):
    rate, low, high = condition_growth.fitted_rate(growth)
    assert low < condition_decades_per_factor(10) < high
    assert low < rate < high
    # Lyapunov exponents by brute force: the mean of the logarithms of QR's diagonal over a long product.
    generator = np.random.default_rng(0)
    frame, logarithms = np.eye(10), np.zeros(10)
    for _ in range(4000):
        frame, triangle = np.linalg.qr(generator.standard_normal((10, 10)) @ frame)
        logarithms += np.log(np.abs(np.diag(triangle)))
    exponents = logarithms / 4000 / np.log(10)
    assert exponents[0] - exponents[-1] == pytest.approx(condition_decades_per_factor(10), abs=0.03)


def test_condition_growth_is_drawn_and_judged_both_ways(growth):
    assert outcomes(condition_growth, growth) == ["supported"]
    slower = growth.assign(log10_smallest=0.5 * growth["log10_smallest"])
    assert outcomes(condition_growth, slower) == ["not supported"]
    assert outcomes(condition_growth, growth[growth["factors"] < 32]) == ["undecided"]
    figure = condition_growth.plot(growth)
    assert len(figure.axes[0].lines) == 2


def test_products_beyond_double_precision_are_refused():
    with pytest.raises(UserError, match=r"experiments\.condition_growth: for size 20, .*; choose smaller factors"):
        condition_growth.measure(configuration(condition_growth={"sizes": [20], "factors": [16, 500], "draws": 2}))
