import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.images.data import ImageData, mini_batch
from repro.instruments import gradient_noise
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from tests.oracles import first_steps
from tests.oracles import noise as oracle


def network(**fields: object) -> ResidualNetwork:
    return ResidualNetwork(Recipe(depth=8, **fields), 4, seed=1).train()


def in_float64(data: ImageData, count: int, **fields: object) -> tuple[ResidualNetwork, Tensor, Tensor]:
    """A network, images and labels in float64, where oracles agree to rounding."""
    images, labels = mini_batch(data, count, 3)
    return network(**fields).double(), images.double(), labels


def flat(parts: dict[str, Tensor]) -> np.ndarray:
    return np.concatenate([part.numpy().ravel() for part in parts.values()])


def by_oracle(made: ResidualNetwork, images: Tensor, labels: Tensor) -> np.ndarray:
    weights = {name: weight.detach() for name, weight in made.named_parameters()}
    return flat(first_steps.gradient(copy.deepcopy(made), weights, images, labels))


@pytest.fixture
def linear() -> tuple[nn.Module, Tensor, Tensor]:
    """Two classes, weights zero: example i has the gradient (-s x, s x) / 2, s = 1 for class 0 and -1 for class 1.

    Four examples, both classes of each of two orthogonal unit vectors x: g = 0 and |g_i|^2 = 1/2, so C = 1/2.
    """
    model = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(model.weight)
    return model, torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]), torch.tensor([0, 1, 0, 1])


def test_a_linear_model_has_the_variance_found_by_hand(linear):
    model, images, labels = linear
    assert gradient_noise.gradient(model, images[:1], labels[:1]).tolist() == [-0.5, 0, 0.5, 0]
    assert gradient_noise.gradient(model, images, labels).tolist() == [0.0] * 4
    assert gradient_noise.examples_are_independent(model, images)
    assert gradient_noise.example_variance(model, images, labels) == pytest.approx(0.5)


def test_a_linear_models_pairs_have_the_noise_found_by_hand():
    # Of six pairs without replacement two cancel, four have |g_B|^2 = 1/4. Of 16 ordered pairs with replacement four
    # are an example twice, 1/2, four cancel, and eight have 1/4.
    assert gradient_noise.expected(0.5, 4, 2, replacement=False) == pytest.approx(4 / 6 * 0.25)
    assert gradient_noise.expected(0.5, 4, 2, replacement=True) == pytest.approx((4 * 0.5 + 8 * 0.25) / 16)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_what_is_expected_is_the_mean_over_all_mini_batches(size, replacement):
    examples = list(np.random.default_rng(0).standard_normal((5, 3)) + 1)
    expected = gradient_noise.expected(oracle.variance(examples), 5, size, replacement)
    assert expected == pytest.approx(oracle.mean_squared_distance(examples, size, replacement), abs=1e-12)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_a_gradient_is_the_oracles(noise, normalisation):
    made, images, labels = in_float64(noise, 6, normalisation=normalisation)
    found = gradient_noise.gradient(made, images, labels)
    expected = by_oracle(made, images, labels)
    assert found.dtype == torch.float64
    assert found.shape == (sum(parameter.numel() for parameter in made.parameters()),)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    assert all(parameter.grad is None for parameter in made.parameters())


def test_the_variance_of_examples_is_the_oracles_loop(noise):
    made, images, labels = in_float64(noise, 5, normalisation="none")
    examples = [by_oracle(made, images[i : i + 1], labels[i : i + 1]) for i in range(5)]
    assert gradient_noise.example_variance(made, images, labels) == pytest.approx(oracle.variance(examples), rel=1e-9)
    # Without BN the set's gradient is the mean of its examples'; that is what the derivation stands on.
    full = gradient_noise.gradient(made, images, labels).numpy()
    np.testing.assert_allclose(full, sum(examples) / 5, rtol=1e-9, atol=1e-12 * np.abs(full).max())


def test_all_pairs_of_a_network_have_the_noise_that_its_examples_say(noise):
    made, images, labels = in_float64(noise, 5, normalisation="none")
    full = gradient_noise.gradient(made, images, labels)
    variance = gradient_noise.example_variance(made, images, labels)
    places = torch.arange(5)
    for replacement, drawn in ((False, torch.combinations(places)), (True, torch.cartesian_prod(places, places))):
        found = gradient_noise.about(full, (gradient_noise.gradient(made, images[b], labels[b]) for b in drawn))
        assert found.mean == pytest.approx(gradient_noise.expected(variance, 5, 2, replacement), rel=1e-9)


@pytest.mark.parametrize(
    ("fields", "independent"),
    [
        ({"normalisation": "none"}, True),
        ({"normalisation": "none", "depth": 110}, True),
        ({"normalisation": "batch"}, False),
        ({"normalisation": "batch", "place": "final"}, False),
        ({"normalisation": "none", "dropout": 0.3}, False),
    ],
)
def test_which_examples_have_gradients_of_their_own(noise, fields, independent):
    made = ResidualNetwork(Recipe(**({"depth": 8} | fields)), 4, seed=1).train()
    images, _ = mini_batch(noise, 2, 3)
    assert gradient_noise.examples_are_independent(made, images) is independent


def test_in_evaluation_mode_batch_normalisation_leaves_examples_alone(noise):
    images, _ = mini_batch(noise, 2, 3)
    assert gradient_noise.examples_are_independent(network().eval(), images)


def test_mean_error_and_bias_are_those_of_the_definitions():
    generator = np.random.default_rng(1)
    full, drawn = generator.standard_normal(4), generator.standard_normal((6, 4)) + 1
    found = gradient_noise.about(torch.tensor(full), [torch.tensor(each) for each in drawn])
    distances = [oracle.squared(each - full) for each in drawn]
    assert found.mean == pytest.approx(np.mean(distances))
    assert found.standard_error == pytest.approx(np.std(distances, ddof=1) / math.sqrt(6))
    # Unbiased: products of differences of two mini-batches, which are independent of each other.
    products = [(drawn[i] - full) @ (drawn[j] - full) for i in range(6) for j in range(6) if i != j]
    assert found.bias == pytest.approx(np.mean(products))


def test_a_displacement_is_all_bias():
    found = gradient_noise.about(torch.zeros(2).double(), [torch.tensor([3.0, 4.0]).double()] * 5)
    assert (found.mean, found.standard_error, found.bias) == pytest.approx((25, 0, 25))


@pytest.mark.parametrize("count", [0, 1])
def test_one_mini_batch_has_no_noise(count):
    with pytest.raises(ValueError, match=f"at least two mini-batches, not {count}"):
        gradient_noise.about(torch.zeros(2).double(), [torch.ones(2).double()] * count)
