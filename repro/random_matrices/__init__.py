"""Products of random matrices: limiting laws, accurate spectra, convolutions as linear maps.  NumPy and SciPy only.

from repro.random_matrices import gaussian_product_spectra, singular_value_law

values = gaussian_product_spectra(size=1000, factors=3, draws=10, seed=0)  # (10, 1000)
theory = singular_value_law(factors=3)  # a frozen SciPy distribution
"""

from repro.random_matrices.asymptotics import (
    condition_against_depth,
    condition_decades_per_factor,
    fitted_growth,
    largest_singular_value,
    lyapunov_exponents,
)
from repro.random_matrices.convolutions import (
    convolution_matrix,
    effective_rank_of_quadrature,
    periodic_singular_values,
    zero_padded_quadrature,
    zero_padded_singular_values,
    zero_padded_spectrum,
)
from repro.random_matrices.goodness_of_fit import distance_to_law, goodness_of_fit
from repro.random_matrices.lanczos import extreme_singular_values, golub_kahan_lanczos, spectral_quadrature
from repro.random_matrices.laws import singular_value_law, squared_singular_value_law
from repro.random_matrices.sampling import gaussian_factors
from repro.random_matrices.spectra import (
    gaussian_product_spectra,
    graded_product,
    product_singular_values,
    product_singular_values_with_bounds,
    suffix_singular_values,
    suffix_singular_values_with_bounds,
)

__all__ = [
    "condition_against_depth",
    "condition_decades_per_factor",
    "convolution_matrix",
    "distance_to_law",
    "effective_rank_of_quadrature",
    "extreme_singular_values",
    "fitted_growth",
    "gaussian_factors",
    "gaussian_product_spectra",
    "golub_kahan_lanczos",
    "goodness_of_fit",
    "graded_product",
    "largest_singular_value",
    "lyapunov_exponents",
    "periodic_singular_values",
    "product_singular_values",
    "product_singular_values_with_bounds",
    "singular_value_law",
    "spectral_quadrature",
    "squared_singular_value_law",
    "suffix_singular_values",
    "suffix_singular_values_with_bounds",
    "zero_padded_quadrature",
    "zero_padded_singular_values",
    "zero_padded_spectrum",
]
