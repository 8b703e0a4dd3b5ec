import numpy as np
import pytest

from repro.random_matrices import (
    convolution_matrix,
    convolutions,
    effective_rank_of_quadrature,
    periodic_singular_values,
    zero_padded_quadrature,
    zero_padded_singular_values,
    zero_padded_spectrum,
)
from tests.oracles.random_matrices_products import convolution_matrix as brute_force_matrix

CASES = [(2, 3, 3, 5, 1), (3, 2, 3, 4, 1), (2, 2, 3, 6, 2), (4, 2, 3, 4, 2), (2, 3, 1, 4, 2), (2, 2, 5, 6, 3)]


def random_weights(out_channels, in_channels, width, seed=0):
    return np.random.default_rng(seed).standard_normal((out_channels, in_channels, width, width))


@pytest.mark.parametrize(("out_channels", "in_channels", "width", "size", "stride"), CASES)
def test_matrix_is_the_six_loops(out_channels, in_channels, width, size, stride):
    weights = random_weights(out_channels, in_channels, width)
    for boundary in ("zero", "periodic"):
        if boundary == "periodic" and size % stride:
            continue
        matrix = convolution_matrix(weights, size, stride=stride, boundary=boundary).toarray()
        np.testing.assert_allclose(
            matrix, brute_force_matrix(weights, size, stride, boundary == "periodic"), atol=1e-15
        )


def test_odd_grid_with_stride_two_as_the_network_takes_it():
    weights = random_weights(2, 2, 3)
    matrix = convolution_matrix(weights, 5, stride=2).toarray()
    assert matrix.shape == (2 * 9, 2 * 25)
    np.testing.assert_allclose(matrix, brute_force_matrix(weights, 5, 2, False), atol=1e-15)


@pytest.mark.parametrize(("out_channels", "in_channels", "width", "size", "stride"), CASES)
def test_periodic_singular_values_are_those_of_the_brute_force_matrix(out_channels, in_channels, width, size, stride):
    weights = random_weights(out_channels, in_channels, width, seed=1)
    exact = np.linalg.svd(brute_force_matrix(weights, size, stride, True), compute_uv=False)
    values = periodic_singular_values(weights, size, stride=stride)
    np.testing.assert_allclose(values, exact, atol=1e-13 * exact[0])


@pytest.mark.parametrize(
    ("out_channels", "in_channels", "size", "stride"), [(4, 4, 6, 1), (6, 3, 6, 2), (2, 5, 6, 1), (5, 2, 7, 1)]
)
@pytest.mark.parametrize("small", [0, 256])
def test_zero_padded_extremes_are_those_of_the_brute_force_matrix(
    monkeypatch, small, out_channels, in_channels, size, stride
):
    monkeypatch.setattr(convolutions, "_SMALL", small)  # both the iteration and the dense route
    weights = random_weights(out_channels, in_channels, 3, seed=2)
    exact = np.linalg.svd(brute_force_matrix(weights, size, stride, False), compute_uv=False)
    spectrum = zero_padded_spectrum(weights, size, stride=stride)
    assert spectrum.norm == pytest.approx(exact[0], rel=1e-9)
    assert spectrum.smallest == pytest.approx(exact[-1], rel=1e-8)
    assert spectrum.condition == pytest.approx(exact[0] / exact[-1], rel=1e-8)
    np.testing.assert_allclose(zero_padded_singular_values(weights, size, stride=stride), exact, atol=1e-12)


@pytest.mark.parametrize("small", [0, 256])
def test_a_singular_convolution_has_no_finite_condition(monkeypatch, small):
    monkeypatch.setattr(convolutions, "_SMALL", small)
    weights = np.zeros((2, 2, 3, 3))
    weights[0, 0, 1, 1] = 1.0  # the second channel is lost
    spectrum = zero_padded_spectrum(weights, 5)
    assert spectrum == (pytest.approx(1.0), 0.0, np.inf)


@pytest.mark.parametrize("small", [0, 256])
def test_zero_weights_have_norm_zero(monkeypatch, small):
    monkeypatch.setattr(convolutions, "_SMALL", small)
    for channels in ((2, 2), (3, 2)):
        assert zero_padded_spectrum(np.zeros((*channels, 3, 3)), 5) == (0.0, 0.0, np.inf)


@pytest.mark.parametrize(
    ("out_channels", "in_channels", "width", "size", "stride"),
    [
        (8, 1, 1, 7, 2),
        (9, 2, 1, 6, 2),
        (4, 1, 1, 6, 2),
        (6, 1, 3, 6, 2),
        (9, 2, 3, 7, 2),
        (5, 1, 3, 8, 2),
        (30, 1, 3, 9, 4),
    ],
)
@pytest.mark.parametrize("small", [0, 256])
def test_strides_with_more_outputs_than_inputs(monkeypatch, small, out_channels, in_channels, width, size, stride):
    """A stride above the kernel's width leaves inputs unread: the smallest singular value is zero."""
    monkeypatch.setattr(convolutions, "_SMALL", small)
    weights = random_weights(out_channels, in_channels, width, seed=4)
    exact = np.linalg.svd(brute_force_matrix(weights, size, stride, False), compute_uv=False)
    spectrum = zero_padded_spectrum(weights, size, stride=stride)
    assert spectrum.norm == pytest.approx(exact[0], rel=1e-9)
    if stride > width:
        assert (spectrum.smallest, spectrum.condition) == (pytest.approx(0, abs=1e-14 * exact[0]), np.inf)
    else:
        assert spectrum.smallest == pytest.approx(exact[-1], rel=1e-7)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_weights_of_any_size(monkeypatch, size):
    monkeypatch.setattr(convolutions, "_SMALL", 0)
    weights = random_weights(3, 2, 3, seed=5)
    expected, found = zero_padded_spectrum(weights, 5), zero_padded_spectrum(weights * size, 5)
    np.testing.assert_allclose(np.divide(found[:2], size), expected[:2], rtol=1e-9)
    assert found.condition == pytest.approx(expected.condition, rel=1e-9)


def test_lanczos_that_does_not_converge_is_an_error_of_linear_algebra(monkeypatch):
    def gives_up(*_, **__):
        raise convolutions.ArpackError(-9999)

    monkeypatch.setattr(convolutions, "_SMALL", 0)
    monkeypatch.setattr(convolutions, "eigsh", gives_up)
    with pytest.raises(np.linalg.LinAlgError, match="did not find the convolution's extreme singular values"):
        zero_padded_spectrum(random_weights(2, 2, 3), 5)


def test_identity_kernel_is_the_identity():
    weights = np.zeros((3, 3, 3, 3))
    weights[range(3), range(3), 1, 1] = 1.0
    np.testing.assert_allclose(periodic_singular_values(weights, 6), 1)
    np.testing.assert_allclose(zero_padded_singular_values(weights, 6), 1)
    assert zero_padded_spectrum(weights, 12).condition == pytest.approx(1)


def test_effective_rank_of_a_quadrature_estimates_its_definition():
    weights = random_weights(5, 5, 3, seed=3)
    squares = np.linalg.svd(brute_force_matrix(weights, 6, 1, False), compute_uv=False) ** 2
    share = squares / squares.sum()
    exact = np.exp(-np.sum(share * np.log(share)))
    estimate, error = effective_rank_of_quadrature(zero_padded_quadrature(weights, 6, probes=40, steps=25))
    assert abs(estimate - exact) < 5 * error < 0.1 * exact
    identity = np.zeros((3, 3, 3, 3))
    identity[range(3), range(3), 1, 1] = 1.0
    assert effective_rank_of_quadrature(zero_padded_quadrature(identity, 6, steps=5))[0] == pytest.approx(108)
    with pytest.raises(ValueError, match="two probes"):
        effective_rank_of_quadrature(zero_padded_quadrature(weights, 6, probes=1, steps=5))


def test_bad_input_is_refused(monkeypatch):
    weights = random_weights(2, 2, 3)
    for wrong in (weights[0], weights[:, :, :2], weights[:, :, :2, :2], weights[:0]):
        with pytest.raises(ValueError, match="weights must have shape"):
            convolution_matrix(wrong, 4)
    with pytest.raises(ValueError, match="NaN"):
        convolution_matrix(weights * np.nan, 4)
    for size in (0, 2, 4.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="size"):
            convolution_matrix(weights, size)
    with pytest.raises(ValueError, match="real"):
        convolution_matrix(weights * 1j, 4)
    for stride in (0, 1.5, np.inf):
        with pytest.raises(ValueError, match="stride"):
            convolution_matrix(weights, 4, stride=stride)
    with pytest.raises(ValueError, match="boundary"):
        convolution_matrix(weights, 4, boundary="reflect")
    for call in (periodic_singular_values, lambda *a, **k: convolution_matrix(*a, **k, boundary="periodic")):
        with pytest.raises(ValueError, match="multiple"):
            call(weights, 5, stride=2)
    monkeypatch.setattr(convolutions, "_LARGEST_DENSE", 30)
    with pytest.raises(ValueError, match="zero_padded_spectrum"):
        zero_padded_singular_values(weights, 4)


def test_ill_conditioned_rectangular_convolution_is_refused_not_guessed(monkeypatch):
    monkeypatch.setattr(convolutions, "_SMALL", 0)
    weights = random_weights(4, 2, 3)
    weights[:, 1] = weights[:, 0] * (1 + 1e-12)
    with pytest.raises(np.linalg.LinAlgError, match="condition is above 1e5") as caught:
        zero_padded_spectrum(weights, 6)
    assert isinstance(caught.value, ValueError)
