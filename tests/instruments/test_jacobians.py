"""Jacobians known by their products: against the dense Jacobian, finite differences and a product of matrices."""

import numpy as np
import pytest
import torch

from repro.instruments.jacobians import jacobian, state_after, with_fixed_statistics
from repro.networks.residual import ResidualNetwork
from repro.random_matrices import extreme_singular_values, spectral_quadrature
from repro.settings.recipe import Recipe
from repro.settings.types import kinds


def network(normalisation: str = "batch", depth: int = 14, seed: int = 0, **recipe) -> ResidualNetwork:
    return ResidualNetwork(Recipe(normalisation=normalisation, depth=depth, **recipe), 4, seed)


def images(count: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "recipe",
    [
        {"normalisation": "batch"},
        {"normalisation": "none"},
        {"place": "final"},
        {"place": "after_activation"},
        {"activation": "tanh", "shortcut": "A"},
        {"dropout": 0.3},
        {"shortcut": "none"},
        *({"normalisation": kind} for kind in kinds("normalisation") if kind not in ("batch", "none")),
    ],
    ids=str,
)
@pytest.mark.parametrize("layer", [1, 3, 7, 13, 14])
def test_products_agree_with_the_dense_jacobian(recipe, layer):
    fixed = with_fixed_statistics(network(**recipe), images())
    image = images()[5]
    dense = torch.autograd.functional.jacobian(
        lambda x: state_after(fixed, x.reshape(1, 3, 8, 8), layer).flatten(), image.double().flatten()
    ).numpy()
    operator = jacobian(fixed, image, layer)
    assert operator.shape == dense.shape
    generator = np.random.default_rng(1)
    right, left = generator.standard_normal(dense.shape[1]), generator.standard_normal(dense.shape[0])
    scale = np.linalg.norm(dense)
    np.testing.assert_allclose(operator.matvec(right), dense @ right, atol=1e-12 * scale * np.linalg.norm(right))
    np.testing.assert_allclose(operator.rmatvec(left), dense.T @ left, atol=1e-12 * scale * np.linalg.norm(left))


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_the_product_is_the_derivative_by_finite_differences(normalisation):
    fixed = with_fixed_statistics(network(normalisation), images())
    image = images()[2].double()
    direction = images(seed=3)[0].double()
    step = 1e-7  # short enough that few units change sign
    difference = (state_after(fixed, (image + step * direction)[None], 13) - state_after(fixed, image[None], 13)) / step
    product = jacobian(fixed, image, 13).matvec(direction.numpy().ravel())
    np.testing.assert_allclose(product, difference.numpy().ravel(), atol=1e-5 * np.abs(product).max())


def test_lanczos_through_the_network_finds_the_dense_singular_values():
    fixed = with_fixed_statistics(network("none", depth=8), images())
    image = images()[1]
    operator = jacobian(fixed, image, 3)  # 1024 x 192
    dense = np.stack([operator.matvec(column) for column in np.eye(192)], axis=1)
    exact = np.linalg.svd(dense, compute_uv=False)
    found = extreme_singular_values(operator, seed=0)
    assert found.largest == pytest.approx(exact[0], rel=1e-8)
    assert found.smallest == pytest.approx(exact[-1], rel=1e-6)
    quadrature = spectral_quadrature(operator, probes=8, steps=20, seed=0)
    mean, error = quadrature.mean(np.square)
    assert mean == pytest.approx(np.mean(exact**2), abs=4 * error)


def test_fixed_statistics_of_batch_renormalisation_are_those_of_the_mini_batch():
    original, batch = network("batch_renormalisation").double(), images(64).double()
    fixed = with_fixed_statistics(original, batch)
    # Its deviations have no n / (n - 1): exactly what training computes.
    np.testing.assert_allclose(fixed(batch).detach(), original.train()(batch).detach(), rtol=1e-9, atol=1e-9)


def test_fixed_statistics_are_those_of_the_mini_batch():
    original = network("batch")
    batch = images(64)
    fixed = with_fixed_statistics(original, batch)
    expected = original.double().train()(batch.double())
    # n / (n - 1) in the variance, with n = 64 x 2 x 2 at the deepest layers
    np.testing.assert_allclose(fixed(batch.double()).detach(), expected.detach(), rtol=0.05, atol=0.02)
    alone = fixed(batch[:1].double())
    np.testing.assert_allclose(alone, fixed(batch.double())[:1], rtol=1e-10)


def test_only_states_that_carry_everything_on_are_taken():
    plain = network("none")
    for layer in (0, 2, 12, 15):
        with pytest.raises(ValueError, match="after layers 1, 3, 5"):
            state_after(plain, images(), layer)
