"""The mean logarithm of moments and its rise: against a loop, and what is left out of it."""

import math

import pytest
import torch

from repro.images.data import mini_batch
from repro.instruments import probes
from repro.instruments.log_moments import mean_logarithm, rise
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_moments_by_depth_agree_with_loops(noise, normalisation):
    network = ResidualNetwork(Recipe(depth=8, normalisation=normalisation), 4, seed=3)
    images, _ = mini_batch(noise, 16, 0)
    moments = probes.reduce_outputs(network, images, range(1, 9), probes.channel_moments)
    assert list(moments) == list(range(1, 9))
    outputs = probes.layer_outputs(network, images, (1, 4, 8))
    for number, output in outputs.items():
        logarithms = []
        for channel in range(output.shape[1]):
            values = output[:, channel].double().flatten().tolist()
            mean = sum(values) / len(values)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
            logarithms.append((math.log(abs(mean)), math.log(deviation)))
        log_means, log_deviations = zip(*logarithms, strict=True)
        mean, variance = moments[number]
        assert mean_logarithm(mean) == pytest.approx(sum(log_means) / len(log_means), rel=1e-9)
        assert mean_logarithm(variance.sqrt()) == pytest.approx(sum(log_deviations) / len(log_deviations), rel=1e-9)


def test_signs_do_not_matter_and_zeros_are_left_out():
    assert mean_logarithm([math.e, -(math.e**3)]) == pytest.approx(2)
    assert mean_logarithm([math.e, 0.0, -(math.e**3), -0.0]) == pytest.approx(2)
    assert mean_logarithm(torch.tensor([1.0, 4.0])) == pytest.approx(math.log(2))


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [1.0, math.nan], [1.0, math.inf], [0.0, -math.inf]])
def test_without_a_size_there_is_no_logarithm(values):
    assert math.isnan(mean_logarithm(values))


def test_the_rise_is_from_the_first_to_the_last_tenth():
    assert rise([1.0, 100.0, 4.0]) == 3.0
    assert rise([1.0]) == 0.0
    # Of 25 layers the first two and the last two.
    values = [float(number**2) for number in range(25)]
    assert rise(values) == (23**2 + 24**2) / 2 - (0 + 1) / 2


def test_the_rise_is_missing_where_a_layer_at_an_end_is():
    values = [float(number) for number in range(20)]
    assert math.isnan(rise([math.nan, *values[1:]]))
    assert math.isnan(rise([*values[:-2], math.nan, 3.0]))
    assert rise([*values[:5], math.nan, *values[6:]]) == 18.0
    assert math.isnan(rise([math.inf, 1.0, math.inf]))
