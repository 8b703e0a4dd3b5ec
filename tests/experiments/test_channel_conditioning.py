import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repro import probes
from repro.experiments import channel_conditioning
from repro.experiments.channel_conditioning import condition_number, conditioning
from repro.experiments.initialisation import subjects
from tests.experiments import initialisation
from tests.oracles import channels as oracle

NAME = "channel_conditioning"


def conditions(with_: list[float], without: list[float], rank: float = 3.0, seeds: int = 3) -> pd.DataFrame:
    """A table of depth 50, 16 layers a stage, whose condition number runs log-linearly between a stage's two ends."""
    rows = []
    for (normalisation, ends), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        for stage, place in itertools.product(range(3), range(16)):
            condition = 10 ** np.interp(place, [1.5, 13.5], ends[2 * stage : 2 * stage + 2])
            channels, effective = 16 * 2**stage, 9.0 if normalisation == "batch" else rank
            values = (condition, condition / 2, effective, effective, 0.3, 0.1)
            rows.append((normalisation, seed, 2 + 16 * stage + place, channels, 0, *values))
    return pd.DataFrame(rows, columns=list(channel_conditioning.COLUMNS))


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
    assert all(np.isnan(nothing[name]) for name in channel_conditioning.QUANTITIES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_appear_as_such(value):
    output = torch.randn(2, 3, 4, 4)
    output[0, 1, 2, 3] = value
    found = conditioning(output)
    assert found["channels"] == 3
    assert all(np.isnan(found[name]) for name in channel_conditioning.QUANTITIES)


def test_condition_numbers_beyond_double_precision_are_infinite():
    assert condition_number(np.array([1e-12, 0.5, 1.0])) == pytest.approx(1e12)
    assert condition_number(np.array([1e-17, 0.5, 1.0])) == np.inf
    assert condition_number(np.array([-1e-18, 0.5, 1.0])) == np.inf
    assert np.isnan(condition_number(np.zeros(3)))
    assert np.isnan(condition_number(np.array([1.0, np.nan])))


def test_every_convolution_is_measured(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    configuration = initialisation.configuration(NAME, seeds=1)
    table = channel_conditioning.measure(configuration).set_index(["normalisation", "layer"])
    assert table.loc["none"].index.tolist() == list(range(1, 8))
    assert table.loc["none"]["channels"].tolist() == [16, 16, 16, 32, 32, 64, 64]
    for subject in subjects(configuration, 1):
        output = probes.layer_outputs(subject.network, subject.images, [4])[4].double().numpy()
        vectors = output.transpose(1, 0, 2, 3).reshape(32, -1)
        covariance = np.cov(vectors, bias=True)
        row = table.loc[(subject.normalisation, 4)]
        assert row["condition_covariance"] == pytest.approx(np.linalg.cond(covariance), rel=1e-6)


def test_claims_are_decided_both_ways():
    def outcomes(table: pd.DataFrame) -> list[str]:
        return [claim.decide(table).outcome for claim in channel_conditioning.CLAIMS]

    flat = [2.0] * 6
    assert outcomes(conditions(flat, [2, 3, 3, 4, 4, 5])) == ["supported"] * 3
    assert outcomes(conditions(flat, [2, 4, 4, 3.9, 4, 3.9])) == ["supported", "not supported", "supported"]
    assert outcomes(conditions(flat, flat, rank=8.0)) == ["not supported"] * 3
    assert outcomes(conditions(flat, [np.nan] * 6, rank=np.nan)) == ["undecided"] * 3


def test_stage_ends_are_medians_of_four_convolutions():
    table = conditions([2.0] * 6, [2, 3, 3, 4, 4, 5])
    ends = channel_conditioning.stage_ends(table).query("normalisation == 'none' and seed == 0")
    assert ends["layers"].tolist() == ["2-5", "14-17", "18-21", "30-33", "34-37", "46-49"]
    first = ends.iloc[0]["condition_second_moment"]
    layers = table.query("normalisation == 'none' and seed == 0 and layer in [2, 3, 4, 5]")
    assert first == pytest.approx(np.median(layers["condition_second_moment"]))


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = channel_conditioning.measure(initialisation.configuration(NAME))
    summary, verdicts = initialisation.judge_and_draw(channel_conditioning, table, tmp_path)
    assert len(summary) == 2 * 3 * 2
    assert verdicts["outcome"].isin(["supported", "not supported"]).all()


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, channel_conditioning)
    table = channel_conditioning.measure(initialisation.configuration(NAME))
    assert table.query("normalisation == 'none' and layer == 7")["rank_covariance"].isna().all()
    assert table.query("normalisation == 'batch'").notna().all(axis=None)
    _, verdicts = initialisation.judge_and_draw(channel_conditioning, table, tmp_path)
    assert (verdicts["outcome"] == "undecided").all()
