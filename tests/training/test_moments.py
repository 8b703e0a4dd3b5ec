import math

import pytest
import torch

from repro.config import Condition, Network, Training
from repro.datasets import mini_batch
from repro.networks import ResidualNetwork
from repro.training import moments
from tests.training.test_network_run import begin, condition, configuration, trained


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_moments_by_depth_agree_with_loops(noise, normalisation):
    network = ResidualNetwork(Network(depth=8), normalisation, 4, seed=3)
    images, _ = mini_batch(noise, 16, 0)
    rows = moments.by_depth(network, images)
    assert [row["layer"] for row in rows] == list(range(1, 9))
    outputs = {}
    for number in (1, 4, 8):
        network.layer(number).register_forward_hook(lambda _, __, out, number=number: outputs.update({number: out}))
    network(images)
    for number, output in outputs.items():
        logarithms = []
        for channel in range(output.shape[1]):
            values = output[:, channel].double().flatten().tolist()
            mean = sum(values) / len(values)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
            logarithms.append((math.log(abs(mean)), math.log(deviation)))
        log_means, log_deviations = zip(*logarithms, strict=True)
        row = rows[number - 1]
        assert row["log_mean"] == pytest.approx(sum(log_means) / len(log_means), rel=1e-5)
        assert row["log_standard_deviation"] == pytest.approx(sum(log_deviations) / len(log_deviations), rel=1e-5)


def test_a_dead_channel_is_left_out(noise):
    network = ResidualNetwork(Network(depth=8), "none", 4, seed=3)
    images, _ = mini_batch(noise, 16, 0)
    with torch.no_grad():
        network.convolution1.weight[0] = 0
    row = moments.by_depth(network, images)[0]
    assert math.isfinite(row["log_mean"])
    with torch.no_grad():
        network.convolution1.weight.zero_()
    assert math.isnan(moments.by_depth(network, images)[0]["log_mean"])


def test_shares_of_the_cycle_become_epochs():
    settings = Training(moments_after=[0, 0.1, 0.5, 1])
    whole = Condition(normalisation="batch", learning_rate=0.1, epochs=165)
    assert moments.epochs_to_look(settings, whole) == {0, 17, 83, 165}
    short = Condition(normalisation="batch", learning_rate=0.1, epochs=1)
    assert moments.epochs_to_look(settings, short) == {0, 1}


def test_looking_changes_nothing_and_is_not_repeated_by_a_resume(noise, tmp_path):
    looked = begin(tmp_path / "a.pt", noise, configuration(moments_after=[0, 0.5, 1]))
    blind = begin(tmp_path / "b.pt", noise, configuration(moments_after=[1.0]))
    assert trained(looked) == trained(blind)
    assert looked.weights_digest() == blind.weights_digest()
    assert [row["epoch"] for row in blind.position.moments] == [3] * 8
    assert [row["epoch"] for row in looked.position.moments] == [0] * 8 + [2] * 8 + [3] * 8
    again = begin(tmp_path / "a.pt", noise, configuration(moments_after=[0, 0.5, 1]))
    assert again.position.moments == looked.position.moments


def test_a_diverged_network_is_not_looked_at_afterwards(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise, condition_=condition("none", rate=100.0))
    trained(run)
    assert {row["epoch"] for row in run.position.moments} == {0}
