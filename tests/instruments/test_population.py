import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.images.data import normalise
from repro.instruments.population import ChannelMoments, settle
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from tests.oracles import channels as oracle


def network(**settings: object) -> ResidualNetwork:
    """Of depth 8 in float64; every BN has a gamma and beta of its own."""
    made = ResidualNetwork(Recipe(depth=8, **settings), 4, seed=1).double()
    with torch.no_grad():
        for number, layer in enumerate(layers(made)):
            layer.weight.copy_(torch.linspace(0.5, 1.5, len(layer.weight)) + 0.1 * number)
            layer.bias.copy_(torch.linspace(-0.3, 0.4, len(layer.bias)))
    return made


def layers(made: ResidualNetwork) -> list[nn.BatchNorm2d]:
    return [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]


def inputs(made: ResidualNetwork, images: Tensor) -> dict[nn.BatchNorm2d, np.ndarray]:
    """What reaches each BN in evaluation mode."""
    made.eval()
    found = {}
    handles = [
        layer.register_forward_pre_hook(lambda module, given: found.update({module: given[0].detach().numpy()}))
        for layer in layers(made)
    ]
    made(images)
    for handle in handles:
        handle.remove()
    return found


def test_moments_of_parts_are_those_of_loops_over_the_whole():
    random = np.random.default_rng(0)
    values = random.standard_normal((7, 3, 2, 2)).astype(np.float32) + np.array([0, 1e4, -3], np.float32)[:, None, None]
    moments = ChannelMoments()
    for part in torch.from_numpy(values).split([3, 1, 3]):
        moments.add(part)
    for channel in range(3):
        numbers = [float(values[i, channel, y, x]) for i, y, x in itertools.product(range(7), range(2), range(2))]
        mean = math.fsum(numbers) / 28
        assert moments.mean[channel] == pytest.approx(mean, rel=1e-14)
        variance = math.fsum((number - mean) ** 2 for number in numbers) / 28
        assert moments.variance[channel] == pytest.approx(variance, rel=1e-12)
    assert math.isnan(ChannelMoments().variance)


@pytest.mark.parametrize("settings", [{}, {"shortcut": "A"}, {"shortcut": "none"}])
def test_every_layer_has_the_moments_of_what_reaches_it(noise, settings):
    made = network(**settings)
    images = normalise(noise.train_images[:20], noise).double()
    settle(made, images.split(7))
    found = inputs(made, images)  # with all averages as they were set
    assert len(found) == len(layers(made)) == (9 if settings == {} else 7)
    for layer, given in found.items():
        for channel in range(0, given.shape[1], 5):
            mean, variance = oracle.moments(given, channel)
            assert layer.running_mean[channel].item() == pytest.approx(mean, rel=1e-9, abs=1e-12)
            assert layer.running_var[channel].item() == pytest.approx(variance, rel=1e-9)
    assert not made.training
    assert not any(layer._forward_pre_hooks for layer in layers(made))


def test_a_layer_is_handed_on_before_those_behind_it_are_measured(noise):
    images = normalise(noise.train_images[:20], noise).double()
    made, seen = network(), []

    def double(layer: nn.BatchNorm2d) -> None:
        seen.append(layer)
        layer.weight.mul_(2)
        layer.bias.mul_(2)

    settle(made, [images], double)
    assert set(seen) == set(layers(made))
    assert len(seen) == 9
    plain = network()
    settle(plain, [images])
    # The first layer sees the same, the next one twice as much.
    second, second_plain = made.blocks[0].normalisation1, plain.blocks[0].normalisation1
    torch.testing.assert_close(made.normalisation1.running_var, plain.normalisation1.running_var)
    torch.testing.assert_close(second.running_mean, 2 * second_plain.running_mean)
    torch.testing.assert_close(second.running_var, 4 * second_plain.running_var)
