"""Singular values of Gaussian products: against direct decompositions."""

import numpy as np

from repro.experiments.product_spectra import measure
from repro.experiments.product_spectra.settings import COLUMNS
from repro.random_matrices import gaussian_factors, product_singular_values


def test_every_product_has_all_its_singular_values(spectra):
    assert list(spectra.columns) == list(COLUMNS)
    assert (spectra.groupby(["factors", "sample", "draw"]).size() == 200).all()
    draws = spectra.groupby("sample")["draw"].nunique()
    assert draws.to_dict() == {"drawn": 4, "reference": measure.REFERENCE_DRAWS}


def test_reference_spectra_are_those_of_the_plain_product(spectra):
    factors = gaussian_factors([200] * 4, seed=np.random.SeedSequence([1, 2]))
    exact = product_singular_values(factors)
    rows = spectra[(spectra["factors"] == 3) & (spectra["sample"] == "reference") & (spectra["draw"] == 2)]
    np.testing.assert_allclose(rows["singular_value"], exact, atol=1e-13)
