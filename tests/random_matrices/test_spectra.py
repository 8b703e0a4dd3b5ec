import functools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.random_matrices import (
    gaussian_factors,
    gaussian_product_spectra,
    graded_product,
    product_singular_values,
    product_singular_values_with_bounds,
    suffix_singular_values,
    suffix_singular_values_with_bounds,
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
    diagonal, rows, exponents = graded_product(matrices)
    half = np.ldexp(diagonal, exponents)[:, None] * rows
    explicit = matrices[0] @ matrices[1]
    np.testing.assert_allclose(half.T @ half, explicit.T @ explicit, atol=1e-13)
    assert np.linalg.cond(rows) < 100


def gaussian(rows, columns, seed):
    return np.random.default_rng(seed).standard_normal((rows, columns))


def scales(size, decades, seed):
    """A diagonal matrix that spans the decades, in disorder."""
    return np.diag(10.0 ** np.random.default_rng(seed).permutation(np.linspace(0, -decades, size)))


def nearly_singular(size, smallest, seed):
    generator = np.random.default_rng(seed)
    left, right = (np.linalg.qr(generator.standard_normal((size, size)))[0] for _ in range(2))
    return (left * np.append(np.ones(size - 1), smallest)) @ right


SCALED = {
    "both ends of the range": [np.diag([1e300, 1e-300])],
    "rows": [scales(6, 40, 1) @ gaussian(6, 6, 2), scales(6, 30, 3) @ gaussian(6, 6, 4)],
    "rows, many decades": [scales(5, 250, 1) @ gaussian(5, 5, 2)],
    "columns": [gaussian(6, 6, 2) @ scales(6, 40, 1), gaussian(6, 6, 4) @ scales(6, 30, 3)],
    "a diagonal factor on the left": [scales(6, 100, 5), gaussian(6, 6, 6)],
    "diagonal factors between others": [gaussian(5, 5, 7), scales(5, 90, 8), gaussian(5, 5, 9), scales(5, 90, 10)],
    "decades that cancel": [np.diag([1e100, 1e-100]), np.array([[1.0, 2], [3, -1]]), np.diag([1e-100, 1e100])],
    "rectangular, rows": [scales(7, 50, 11) @ gaussian(7, 4, 12), gaussian(4, 6, 13)],
    "mildly scaled rows": [np.diag([1.0, 100.0, 10.0, 1.0]) @ gaussian(4, 4, 14)] * 2,
    "a large row whose large entries come late": [
        np.diag(2.0 ** np.array([1, -12, -25, -48, -36])),
        np.linalg.qr(gaussian(5, 5, 15) * np.array([[1], [1], [1], [1], [1e-5]]))[0],
        scales(5, 40, 16),
    ],
}


@pytest.mark.parametrize("name", SCALED)
def test_scaled_rows_and_columns_cost_no_digits(name):
    factors = SCALED[name]
    exact = exact_singular_values(factors, digits=1500)
    values, bounds = product_singular_values_with_bounds(factors)
    np.testing.assert_array_equal(values, product_singular_values(factors))
    rank = min(min(factor.shape) for factor in factors)
    values, bounds = values[:rank], bounds[:rank]
    assert relative_errors(values, exact[:rank]).max() < 1e-12
    assert np.all(relative_errors(values, exact[:rank]) * values <= bounds)
    assert np.all(bounds < 1e-9 * values)


BOUNDED = {
    "Gaussian": lambda seed: [gaussian(6, 6, [seed, k]) for k in range(1 + seed % 9)],
    "rectangular": lambda seed: [gaussian(7, 3, [seed, 0]), gaussian(3, 5, [seed, 1]), gaussian(5, 6, [seed, 2])],
    "one of low rank": lambda seed: [gaussian(5, 2, [seed, 0]) @ gaussian(2, 5, [seed, 1]), gaussian(5, 5, [seed, 2])],
    "nearly singular": lambda seed: [
        gaussian(5, 5, [seed, 0]),
        nearly_singular(5, 10.0 ** -(6 + seed), seed),
        gaussian(5, 5, [seed, 1]),
    ],
    "Hilbert": lambda seed: [1 / (np.add.outer(np.arange(7), np.arange(7)) + 1.0)] * (1 + seed % 2),
    "both sides": lambda seed: [
        scales(4, 15, [seed, k]) @ gaussian(4, 4, [seed, k + 9]) @ scales(4, 10, [seed, k + 20]) for k in range(2)
    ],
    "small integers, some rows zero": lambda seed: [
        np.random.default_rng([seed, k]).integers(-2, 3, (4, 4)) * (np.arange(4) != (seed + k) % 6)[:, None]
        for k in range(4)
    ],
    "close to the identity": lambda seed: [np.eye(4) + 1e-8 * gaussian(4, 4, [seed, k]) for k in range(3)],
}


@pytest.mark.parametrize("kind", BOUNDED)
def test_no_error_is_above_its_bound(kind):
    for seed in range(12):
        factors = BOUNDED[kind](seed)
        exact = [value if value > 1e-150 else mpmath.mpf(0) for value in exact_singular_values(factors, digits=200)]
        values, bounds = product_singular_values_with_bounds(factors)
        errors = [float(abs(mpmath.mpf(float(value)) - oracle)) for value, oracle in zip(values, exact, strict=False)]
        assert np.all(errors <= bounds)


def test_values_that_rounding_has_taken_are_marked_and_no_others():
    lost = nearly_singular(5, 1e-19, 1)
    spectrum = product_singular_values_with_bounds([gaussian(5, 5, 2), lost, gaussian(5, 5, 3)])
    np.testing.assert_array_equal(spectrum.resolved, [True, True, True, True, False])
    assert np.all(spectrum.bounds[:4] < 1e-11 * spectrum.values[:4])
    # exact zeros are known, and the same with every seed; what only cancels to zero is not
    zeros = product_singular_values_with_bounds([gaussian(5, 2, 4), gaussian(2, 5, 5)])
    np.testing.assert_array_equal(zeros.values[2:], 0)
    np.testing.assert_array_equal(zeros.bounds[2:], 0)
    assert zeros.resolved.all()
    ones = product_singular_values_with_bounds([np.ones((3, 3))] * 2, seed=7)
    np.testing.assert_array_equal(ones.resolved, [True, False, False])


def test_bounds_of_suffixes_and_their_seed():
    matrices = gaussian_factors([6] * 5, seed=1)
    spectra = suffix_singular_values_with_bounds(matrices, [1, 4])
    for depth, values in suffix_singular_values(matrices, [1, 4]).items():
        np.testing.assert_array_equal(spectra[depth].values, values)
    again = product_singular_values_with_bounds(matrices)
    other = product_singular_values_with_bounds(matrices, seed=1)
    np.testing.assert_array_equal(again.bounds, product_singular_values_with_bounds(matrices, seed=0).bounds)
    assert np.all(np.abs(np.log10(again.bounds / other.bounds)) < 1)
    np.testing.assert_array_equal(spectra[1].resolved, True)


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
        ([np.diag([1e300, 1.0]), np.diag([1e300, 1.0])], "range of double precision"),
        ([np.eye(2) * 1e200] * 2, "range of double precision"),
        ([np.eye(2) * 1e-200] * 2, "range of double precision"),
        ([np.diag([1e200, 1e-200]) @ np.array([[1.0, 2.0], [3.0, 4.0]])], "range of double precision"),
        (gaussian_factors([20] * 501, seed=0), "range of double precision"),
    ],
)
def test_bad_factors_are_refused(factors, message):
    with pytest.raises(ValueError, match=message):
        product_singular_values(factors)


def test_bad_numbers_are_refused():
    for arguments in ({"size": 0}, {"factors": 0}, {"draws": 0}, {"size": 2.5}, {"size": np.inf}, {"draws": np.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer"):
            gaussian_product_spectra(**({"size": 3, "factors": 2, "draws": 1, "seed": 0} | arguments))
    with pytest.raises(ValueError, match="workers"):
        gaussian_product_spectra(3, 2, 1, seed=0, workers=0)
    for widths, scale in (([3], 1.0), ([3, 0], 1.0), ([3, np.inf], 1.0), ([3, 3], -1.0), ([3, 3], np.nan)):
        with pytest.raises(ValueError, match=r"width|scale"):
            gaussian_factors(widths, scales=scale, seed=0)
    for depths in ([2], [0], [], [1, 2.5], [2.5], [np.nan], [np.inf], ["1"]):
        for call in (suffix_singular_values, suffix_singular_values_with_bounds):
            with pytest.raises(ValueError, match="depth"):
                call([np.eye(2)], depths)
    assert list(suffix_singular_values([np.eye(2)], [1.0])) == [1]
