"""Products of random matrices: limiting laws, accurate spectra, convolutions as linear maps.  NumPy and SciPy only.

from repro.random_matrices import gaussian_product_spectra, singular_value_law

values = gaussian_product_spectra(size=1000, factors=3, draws=10, seed=0)  # (10, 1000)
theory = singular_value_law(factors=3)                                      # a frozen SciPy distribution
"""

from repro.random_matrices.laws import singular_value_law, squared_singular_value_law
from repro.random_matrices.sampling import gaussian_factors
from repro.random_matrices.spectra import (
    GradedProduct,
    gaussian_product_spectra,
    graded_product,
    product_condition,
    product_singular_values,
)

__all__ = [
    "GradedProduct",
    "gaussian_factors",
    "gaussian_product_spectra",
    "graded_product",
    "product_condition",
    "product_singular_values",
    "singular_value_law",
    "squared_singular_value_law",
]
