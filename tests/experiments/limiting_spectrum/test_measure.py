"""Theorem 1's law as a table: densities against probabilities, moments against drawn products."""

import numpy as np
import pytest

from repro.experiments.limiting_spectrum import measure
from repro.experiments.limiting_spectrum.settings import COLUMNS, Settings
from repro.random_matrices import gaussian_factors


@pytest.fixture(scope="module")
def laws():
    return measure.measure(Settings())


def test_the_table_has_its_columns(laws):
    assert list(laws.columns) == list(COLUMNS)
    assert list(laws["factors"].unique()) == [1, 2, 3, 4, 5]


def test_densities_integrate_to_the_probabilities(laws):
    for _, law in laws.groupby("factors"):
        for variable, density in (("squared_singular_value", "squared_density"), ("singular_value", "density")):
            # The trapezoidal rule in ln x: the integrand x rho(x) is bounded.
            logarithms = np.log(law[variable])
            integral = np.trapezoid(law[density] * law[variable], logarithms)
            assert integral == pytest.approx(1 - measure.SMALLEST, abs=2e-3)


def test_theorem_1_is_about_the_squared_singular_values(laws):
    # Second moment of the singular values of any such product: 1. Of x itself it is M + 1.
    for factors, law in laws.groupby("factors"):
        x = law["squared_singular_value"].to_numpy()
        mean = np.trapezoid(x, law["probability"])
        assert mean == pytest.approx(1, rel=0.01)
        assert np.trapezoid(x**2, law["probability"]) == pytest.approx(factors + 1, rel=0.01)
        drawn = np.linalg.svd(np.linalg.multi_dot([np.eye(300), *gaussian_factors([300] * (factors + 1), seed=1)]))
        assert np.mean(drawn.S**2) == pytest.approx(mean, rel=0.1)
