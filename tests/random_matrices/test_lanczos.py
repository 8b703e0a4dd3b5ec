import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from repro.random_matrices import extreme_singular_values, golub_kahan_lanczos, spectral_quadrature


def counted(matrix):
    """An operator that hands out products only, and counts them."""
    calls = {"matvec": 0, "rmatvec": 0}

    def matvec(vector):
        calls["matvec"] += 1
        return matrix @ vector.ravel()

    def rmatvec(vector):
        calls["rmatvec"] += 1
        return matrix.T @ vector.ravel()

    return LinearOperator(matrix.shape, matvec=matvec, rmatvec=rmatvec, dtype=float), calls


@pytest.mark.parametrize("shape", [(30, 30), (40, 17), (17, 40)])
def test_full_bidiagonalisation_has_the_singular_values_of_the_matrix(shape):
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal(shape)
    tall = matrix if shape[0] >= shape[1] else matrix.T
    result = golub_kahan_lanczos(tall, min(shape), generator.standard_normal(min(shape)))
    exact = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(result.matrix(), compute_uv=False), exact, atol=1e-12 * exact[0])


@pytest.mark.parametrize("shape", [(60, 60), (80, 50), (50, 80)])
def test_extremes_agree_with_the_dense_decomposition_and_keep_their_bounds(shape):
    matrix = np.random.default_rng(2).standard_normal(shape)
    exact = np.linalg.svd(matrix, compute_uv=False)
    found = extreme_singular_values(counted(matrix)[0], seed=0)
    assert found.largest == pytest.approx(exact[0], rel=1e-10)
    assert found.smallest == pytest.approx(exact[-1], rel=1e-7)
    early = extreme_singular_values(matrix, seed=0, maximum_steps=20)
    assert early.steps == 20
    assert early.largest <= exact[0] * (1 + 1e-14)
    assert early.smallest >= exact[-1]
    assert np.abs(exact - early.largest).min() <= early.largest_bound + 1e-13
    assert np.abs(exact - early.smallest).min() <= early.smallest_bound


def test_largest_settles_with_few_products_when_it_stands_apart():
    matrix = np.random.default_rng(3).standard_normal((200, 200))
    matrix[0, 0] += 100
    operator, calls = counted(matrix)
    found = extreme_singular_values(operator, seed=1, maximum_steps=20)
    assert found.largest == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-12)
    assert calls["matvec"] == calls["rmatvec"] == 20


def test_invariant_subspace_ends_the_recursion():
    matrix = np.diag([5.0, 3.0, 1.0, 1.0])
    result = golub_kahan_lanczos(matrix, 4, np.array([1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(np.linalg.svd(result.matrix(), compute_uv=False), [5, 3])
    assert result.residual < 1e-14
    singular = extreme_singular_values(np.diag([2.0, 1.0, 0.0]), seed=0)
    assert singular.smallest == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("shape", [(90, 60), (60, 90)])
def test_quadrature_is_exact_for_the_moments_seen_by_a_probe_and_unbiased_over_probes(shape):
    matrix = np.random.default_rng(4).standard_normal(shape)
    exact = np.linalg.svd(matrix, compute_uv=False)
    quadrature = spectral_quadrature(matrix, probes=40, steps=12, seed=5)
    np.testing.assert_allclose(quadrature.weights.sum(axis=1), 1)
    gram = matrix.T @ matrix if shape[0] >= shape[1] else matrix @ matrix.T
    sign = np.random.default_rng(5).choice([-1.0, 1.0], 60)  # the first probe
    for power in (1, 5):
        seen = sign @ np.linalg.matrix_power(gram, power) @ sign / 60
        assert np.sum(quadrature.weights[0] * quadrature.nodes[0] ** (2 * power)) == pytest.approx(seen, rel=1e-11)
    for function in (np.log, lambda s: s**2, lambda s: 1 / (1 + s)):
        estimate, error = quadrature.mean(function)
        assert abs(estimate - function(exact).mean()) < 5 * error
    edges = np.linspace(0, 20, 6)
    shares = np.histogram(exact, edges)[0] / 60
    np.testing.assert_allclose(quadrature.fraction_per_bin(edges), shares, atol=0.06)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1j])
@pytest.mark.parametrize("shape", [(7, 5), (5, 7)])
@pytest.mark.parametrize("products_only", [False, True])
@pytest.mark.parametrize("entries", ["one", "all"])
def test_operators_that_are_not_real_and_finite_are_refused(number, shape, products_only, entries):
    """A NaN once ended the recursion as an invariant subspace does: zeros, with bounds of zero."""
    matrix = np.random.default_rng(0).standard_normal(shape).astype(type(number))
    if entries == "one":
        matrix[2, 3] = number
    else:
        matrix[:] = number
    operator = matrix
    if products_only:  # an operator that calls itself real
        operator = LinearOperator(
            shape, matvec=lambda v: matrix @ v.ravel(), rmatvec=lambda v: matrix.conj().T @ v.ravel(), dtype=float
        )
    for call in (
        lambda: golub_kahan_lanczos(operator, 3, np.ones(shape[1])),
        lambda: extreme_singular_values(operator, seed=0),
        lambda: spectral_quadrature(operator, probes=2, steps=3, seed=0),
    ):
        with pytest.raises(ValueError, match="the operator must be real and finite"):
            call()


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160, 1e200])
def test_squares_beyond_the_range_of_doubles_do_no_harm(size):
    matrix = np.random.default_rng(6).standard_normal((30, 20))
    exact = np.linalg.svd(matrix, compute_uv=False)
    found = extreme_singular_values(matrix * size, seed=0)
    assert found.largest / size == pytest.approx(exact[0], rel=1e-12)
    assert found.smallest / size == pytest.approx(exact[-1], rel=1e-7)
    with pytest.raises(ValueError, match=r"longer than the range|NaN or infinity"):
        extreme_singular_values(matrix / np.abs(matrix).max() * 1.7e308, seed=0)


def test_zero_operator_has_zeros():
    assert extreme_singular_values(np.zeros((4, 3)), seed=0)[:4] == (0, 0, 0, 0)


def test_bad_input_is_refused():
    matrix = np.eye(3)
    for steps in (0, 4, 1.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="steps must be"):
            golub_kahan_lanczos(matrix, steps, np.ones(3))
    for start in (np.zeros(3), np.ones(2), np.array([1.0, np.nan, 0.0]), np.ones(3) * 1j):
        with pytest.raises(ValueError, match="start vector"):
            golub_kahan_lanczos(matrix, 1, start)
    for steps in (4, 0, 2.5):
        with pytest.raises(ValueError, match="maximum_steps"):
            extreme_singular_values(matrix, seed=0, maximum_steps=steps)
    with pytest.raises(ValueError, match="tolerance"):
        extreme_singular_values(matrix, seed=0, tolerance=0)
    with pytest.raises(ValueError, match="probes"):
        spectral_quadrature(matrix, probes=0, steps=1, seed=0)
    with pytest.raises(ValueError, match="two probes"):
        spectral_quadrature(matrix, probes=1, steps=1, seed=0).mean(np.log)
