import pytest
import torch
from torch import nn

from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.settings.types import kinds


def network(depth: int, initialisation: str, seed: int = 0) -> ResidualNetwork:
    return ResidualNetwork(Recipe(depth=depth, initialisation=initialisation, normalisation="none"), 10, seed)


@pytest.mark.parametrize(
    ("initialisation", "variance"),
    [
        ("xavier_normal", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("kaiming_normal", lambda fan_in, fan_out: 2 / fan_in),
        ("pytorch_default", lambda fan_in, fan_out: 1 / (3 * fan_in)),
    ],
)
def test_initialisation_has_its_variance(initialisation, variance):
    convolutions = [module for module in network(26, initialisation).modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        out, channels_in, size, _ = convolution.weight.shape
        expected = variance(channels_in * size**2, out * size**2)
        weights = convolution.weight.detach().double()
        # the variance of n draws scatters by sqrt(2/n) of itself for a normal distribution; five times that
        assert weights.square().mean().item() == pytest.approx(expected, rel=5 * (2 / weights.numel()) ** 0.5)
        assert abs(weights.mean().item()) < 5 * (expected / weights.numel()) ** 0.5
    uniform = initialisation == "pytorch_default"
    standardised = torch.cat([(c.weight / c.weight.std()).flatten() for c in convolutions[3:]])
    assert standardised.pow(4).mean().item() == pytest.approx(1.8 if uniform else 3, rel=0.05)


def test_orthogonal_initialisation_has_orthonormal_rows():
    weight = network(8, "orthogonal").layer(3).weight.flatten(1)
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("initialisation", kinds("initialisation"))
def test_every_initialisation_repeats_itself_and_follows_the_seed(initialisation):
    one, again, other = (network(8, initialisation, seed).layer(3).weight for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("initialisation", kinds("initialisation"))
@pytest.mark.parametrize("normalisation", ["batch", "weight_standardisation"])
def test_the_gain_multiplies_every_convolution_and_nothing_else(initialisation, normalisation):
    made = {
        gain: dict(
            ResidualNetwork(
                Recipe(depth=8, initialisation=initialisation, normalisation=normalisation, gain=gain), 10, 0
            ).named_parameters()
        )
        for gain in (1.0, 0.3)
    }
    convolutions = [name for name, weight in made[1.0].items() if weight.dim() == 4]
    assert len(convolutions) == 7 + 2
    for name, weight in made[1.0].items():
        torch.testing.assert_close(made[0.3][name], weight * (0.3 if name in convolutions else 1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("initialisation", kinds("initialisation"))
def test_the_classifier_is_no_convolution_and_keeps_pytorchs_default(initialisation):
    weight = network(8, initialisation).classifier.weight
    assert weight.abs().max() <= 1 / 8  # uniform within 1 / sqrt(64)
    assert weight.square().mean().item() == pytest.approx(1 / (3 * 64), rel=0.1)
