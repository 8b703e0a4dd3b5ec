import math

import numpy as np
import pytest
import torch

from repro.instruments.conditioning import QUANTITIES, condition_number, conditioning
from tests.oracles import channels as oracle


def whitened(images: int, channels: int, size: int, seed: int) -> torch.Tensor:
    """(image, channel, y, x) with exactly zero mean and unit covariance over images and positions, float64."""
    values = np.random.default_rng(seed).standard_normal((images * size * size, channels))
    values -= values.mean(axis=0)
    orthonormal, _ = np.linalg.qr(values)
    orthonormal *= math.sqrt(len(values))
    return torch.from_numpy(orthonormal.reshape(images, size, size, channels).transpose(0, 3, 1, 2).copy())


def test_known_covariance_and_mean_give_known_conditioning():
    scales, means = torch.tensor([1.0, 2.0, 10.0]).double(), torch.tensor([0.0, 2.0, 0.0]).double()
    output = whitened(6, 3, 4, seed=0) * scales[:, None, None] + means[:, None, None]
    found = conditioning(output)
    # covariance diag(1, 4, 100); second moments diag(1, 8, 100)
    assert found["channels"] == 3
    assert found["constant_channels"] == 0
    assert found["condition_covariance"] == pytest.approx(100)
    assert found["condition_second_moment"] == pytest.approx(100)
    shares = np.array([1, 4, 100]) / 105
    assert found["rank_covariance"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert found["mean_energy"] == pytest.approx(0.5 / 3)
    assert found["scale_spread"] == pytest.approx(np.std(np.log([1, 2, 10])))


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_agrees_with_loops_in_fifty_digits(shift):
    generator = torch.Generator().manual_seed(4)
    mixing = torch.randn(4, 4, generator=generator)
    output = torch.einsum("cd,bdyx->bcyx", mixing, torch.randn(3, 4, 3, 2, generator=generator)) + shift
    found = conditioning(output)
    exact = output.double().numpy()
    second, covariance = oracle.matrices(exact)
    for name, matrix in (("second_moment", second), ("covariance", covariance)):
        condition, rank = oracle.condition_and_rank(matrix)
        assert found[f"condition_{name}"] == pytest.approx(condition, rel=1e-10)
        assert found[f"rank_{name}"] == pytest.approx(rank, rel=1e-11)
    moments = [oracle.moments(exact, channel) for channel in range(4)]
    energies = [mean**2 / (mean**2 + variance) for mean, variance in moments]
    logarithms = [0.5 * math.log(variance) for _, variance in moments]
    middle = sum(logarithms) / 4
    assert found["mean_energy"] == pytest.approx(sum(energies) / 4, rel=1e-11)
    assert found["scale_spread"] == pytest.approx(math.sqrt(sum((v - middle) ** 2 for v in logarithms) / 4), rel=1e-11)


def test_large_means_do_not_spoil_the_covariance():
    output = whitened(6, 3, 4, seed=1) + 1e6
    found = conditioning(output)
    assert found["condition_covariance"] == pytest.approx(1, rel=1e-6)
    assert found["mean_energy"] == pytest.approx(1)


def test_linearly_dependent_channels_are_infinitely_ill_conditioned():
    output = whitened(6, 3, 4, seed=2)
    output[:, 2] = output[:, 0] + output[:, 1]
    found = conditioning(output)
    assert found["condition_second_moment"] == np.inf
    assert found["condition_covariance"] == np.inf
    assert found["rank_covariance"] == pytest.approx(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))  # 3 and 1


def test_constant_and_zero_channels_are_counted_and_left_out_of_logarithms():
    output = whitened(6, 4, 4, seed=3)
    output[:, 1], output[:, 2] = 0.1, 0.0
    found = conditioning(output)
    assert found["constant_channels"] == 2
    assert found["condition_covariance"] == np.inf
    assert found["mean_energy"] == pytest.approx(1 / 3)  # of channels 0, 1 and 3
    assert found["scale_spread"] == pytest.approx(0, abs=1e-12)
    nothing = conditioning(torch.zeros(2, 3, 4, 4))
    assert nothing["constant_channels"] == 3
    assert all(np.isnan(nothing[name]) for name in QUANTITIES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_appear_as_such(value):
    output = torch.randn(2, 3, 4, 4)
    output[0, 1, 2, 3] = value
    found = conditioning(output)
    assert found["channels"] == 3
    assert all(np.isnan(found[name]) for name in QUANTITIES)


def test_condition_numbers_beyond_double_precision_are_infinite():
    assert condition_number(np.array([1e-12, 0.5, 1.0])) == pytest.approx(1e12)
    assert condition_number(np.array([1e-17, 0.5, 1.0])) == np.inf
    assert condition_number(np.array([-1e-18, 0.5, 1.0])) == np.inf
    assert np.isnan(condition_number(np.zeros(3)))
    assert np.isnan(condition_number(np.array([1.0, np.nan])))
