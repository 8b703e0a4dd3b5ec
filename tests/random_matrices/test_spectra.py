import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.random_matrices import (
    gaussian_factors,
    gaussian_product_spectra,
    graded_product,
    product_condition,
    product_singular_values,
    suffix_singular_values,
)
from tests.oracles.random_matrices_products import product_singular_values as exact_singular_values


def relative_errors(values, exact):
    return np.array([abs(float(value / oracle - 1)) for value, oracle in zip(values, exact, strict=True)])


@pytest.mark.parametrize(("size", "factors"), [(12, 1), (10, 5), (8, 16), (8, 64), (4, 128)])
def test_every_singular_value_is_accurate_where_the_explicit_product_is_noise(size, factors):
    matrices = gaussian_factors([size] * (factors + 1), seed=size * factors)
    exact = exact_singular_values(matrices)
    condition = max(np.linalg.cond(matrix) for matrix in matrices)
    assert relative_errors(product_singular_values(matrices), exact).max() < 1e-15 * condition * factors
    naive = np.linalg.svd(functools.reduce(np.matmul, matrices), compute_uv=False)
    if float(exact[0] / exact[-1]) > 1e17:
        assert relative_errors(naive, exact).max() > 1  # not one correct digit at the small end


def test_hundred_by_hundred_smallest_values_against_a_high_precision_inverse():
    """sigma_min of the product is 1/norm of the inverse, which is applied factor by factor: an independent route."""
    matrices = gaussian_factors([100] * 9, seed=3)
    vector = np.random.default_rng(0).standard_normal(100)
    for _ in range(30):  # power iteration on (X'X)^-1, converging by the gap of the smallest two
        vector = vector / np.linalg.norm(vector)
        for matrix in reversed(matrices):
            vector = np.linalg.solve(matrix.T, vector)
        length = np.linalg.norm(vector)
        vector = vector / length
        for matrix in matrices:
            vector = np.linalg.solve(matrix, vector)
    smallest = 1 / np.sqrt(np.linalg.norm(vector) * length)
    assert product_singular_values(matrices)[-1] == pytest.approx(smallest, rel=1e-8)


@given(st.lists(st.integers(1, 7), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_rectangular_products_agree_with_the_dense_decomposition(widths, seed):
    matrices = gaussian_factors(widths, seed=seed)
    values = product_singular_values(matrices)
    dense = np.linalg.svd(functools.reduce(np.matmul, matrices), compute_uv=False)
    np.testing.assert_allclose(values, dense, atol=1e-12 * dense[0])
    assert np.count_nonzero(values) == min(widths)
    assert np.all(np.diff(values) <= 0)


@given(st.integers(2, 8), st.floats(1e-30, 1e30))
@settings(max_examples=30, deadline=None)
def test_scaling_scales_every_singular_value(size, scale):
    matrices = gaussian_factors([size] * 4, seed=size)
    scaled = product_singular_values([matrices[0] * scale, *matrices[1:]])
    np.testing.assert_allclose(scaled, product_singular_values(matrices) * scale, rtol=1e-11)


def test_singular_and_zero_factors_give_zeros():
    ones = np.ones((3, 3))
    np.testing.assert_allclose(product_singular_values([ones, ones]), [9, 0, 0], atol=1e-14)
    np.testing.assert_array_equal(product_singular_values([np.zeros((2, 3)), np.eye(3)]), [0, 0])
    np.testing.assert_array_equal(product_singular_values([np.diag([4.0, 0.0, 2.0])]), [4, 2, 0])


def test_decomposition_reproduces_the_gram_matrix():
    matrices = gaussian_factors([6, 9, 5], seed=2)
    diagonal, rows, exponent = graded_product(matrices)
    half = np.ldexp(diagonal, exponent)[:, None] * rows
    explicit = matrices[0] @ matrices[1]
    np.testing.assert_allclose(half.T @ half, explicit.T @ explicit, atol=1e-13)
    assert np.linalg.cond(rows) < 100


def test_suffixes_are_the_products_of_the_last_factors():
    matrices = gaussian_factors([5] * 6, seed=8)
    spectra = suffix_singular_values(matrices, [1, 4])
    np.testing.assert_allclose(spectra[1], product_singular_values(matrices[-1:]), rtol=1e-13)
    np.testing.assert_allclose(spectra[4], product_singular_values(matrices[-4:]), rtol=1e-13)


def test_draws_depend_on_the_seed_and_their_number_alone():
    first = gaussian_product_spectra(12, 3, 2, seed=4)
    np.testing.assert_array_equal(first, gaussian_product_spectra(12, 3, 5, seed=4)[:2])
    np.testing.assert_array_equal(first, gaussian_product_spectra(12, 3, 2, seed=4, workers=2))
    assert not np.array_equal(first, gaussian_product_spectra(12, 3, 2, seed=5))


def test_factors_have_the_stated_shapes_and_variances():
    last, first = gaussian_factors([300, 500, 200], scales=[1.0, 3.0], seed=0)
    assert last.shape == (200, 500)
    assert first.shape == (500, 300)
    assert first.var() * 500 == pytest.approx(1, rel=0.02)
    assert last.var() * 200 == pytest.approx(9, rel=0.02)


def test_condition():
    assert product_condition([1.0, 4.0, 2.0]) == 4
    assert product_condition([1.0, 0.0]) == np.inf
    for wrong in ([], [1.0, np.nan], [-1.0, 2.0]):
        with pytest.raises(ValueError, match="condition number"):
            product_condition(wrong)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([], "at least one factor"),
        ([np.ones(3)], "factor 1 must be a matrix"),
        ([np.ones((0, 0))], "factor 1 must be a matrix"),
        ([np.eye(2), np.full((2, 2), np.nan)], "factor 2 contains NaN"),
        ([np.eye(2), np.eye(3)], "factors 1 and 2 have shapes"),
        ([np.eye(2) * 1j], "must be real"),
        ([np.diag([1e200, 1.0]), np.diag([1e200, 1.0])], "range of double precision"),
    ],
)
def test_bad_factors_are_refused(factors, message):
    with pytest.raises(ValueError, match=message):
        product_singular_values(factors)


def test_bad_numbers_are_refused():
    for arguments in ({"size": 0}, {"factors": 0}, {"draws": 0}, {"size": 2.5}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer"):
            gaussian_product_spectra(**({"size": 3, "factors": 2, "draws": 1, "seed": 0} | arguments))
    with pytest.raises(ValueError, match="workers"):
        gaussian_product_spectra(3, 2, 1, seed=0, workers=0)
    for widths, scales in (([3], 1.0), ([3, 0], 1.0), ([3, 3], -1.0), ([3, 3], np.nan)):
        with pytest.raises(ValueError, match=r"width|scale"):
            gaussian_factors(widths, scales=scales, seed=0)
    with pytest.raises(ValueError, match="depths"):
        suffix_singular_values([np.eye(2)], [2])
