import math

import numpy as np
import pytest
import torch

from repro import config, devices
from repro.config import Condition
from repro.training import network_run
from repro.training.network_run import Interrupted, NetworkRun, learning_rate

CPU = torch.device("cpu")
HERE = {"device": "test"}


def configuration(**training) -> config.Configuration:
    return config.validate(
        {
            "name": "test",
            "batch_size": 16,
            "network": {"depth": 8},
            "training": {"seeds": 1, "checkpoint_minutes": 0, **training},
        }
    )


def condition(normalisation="batch", rate=0.05, epochs=3) -> Condition:
    return Condition(normalisation=normalisation, learning_rate=rate, epochs=epochs)


def begin(path, noise, settings=None, condition_=None, seed=1, fingerprint=HERE, device=CPU) -> NetworkRun:
    data = noise.to(device)
    return NetworkRun(settings or configuration(), condition_ or condition(), seed, data, device, path, fingerprint)


def trained(*runs: NetworkRun, stop=lambda: False, at_once=None) -> list[list[dict]]:
    """Histories, without times."""
    network_run.train(runs, stop, at_once)
    return [histories(run) for run in runs]


def histories(run: NetworkRun) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.position.history]


def test_learning_rate_drops_at_half_and_three_quarters():
    rates = [learning_rate(condition(rate=1.0, epochs=8), epoch) for epoch in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    # The paper's longest cycle: 165 epochs, drops after 82.5 and 123.75.
    rates = [learning_rate(condition(rate=1.0, epochs=165), epoch) for epoch in range(165)]
    assert (np.isclose(rates, 1).sum(), np.isclose(rates, 0.1).sum(), np.isclose(rates, 0.01).sum()) == (83, 41, 41)


@pytest.mark.parametrize("steps_between_stops", [1, 4, 6, 7])
def test_interrupted_runs_end_like_an_uninterrupted_one(noise, tmp_path, steps_between_stops):
    whole = begin(tmp_path / "whole.pt", noise)
    (expected,) = trained(whole)
    interruptions = 0
    while True:
        steps = iter(range(steps_between_stops))
        run = begin(tmp_path / "pieces.pt", noise)
        try:
            (history,) = trained(run, stop=lambda steps=steps: next(steps, None) is None)
            break
        except Interrupted:
            interruptions += 1
    assert interruptions >= 2
    assert history == expected
    assert run.weights_digest() == whole.weights_digest()


def test_a_run_repeats_bit_for_bit(noise, tmp_path):
    runs = [begin(tmp_path / f"{k}.pt", noise) for k in range(2)]
    assert trained(runs[0]) == trained(runs[1])
    assert runs[0].weights_digest() == runs[1].weights_digest()
    other = begin(tmp_path / "other.pt", noise, seed=2)
    trained(other)
    assert other.weights_digest() != runs[0].weights_digest()


# The second diverges at once and must not touch its neighbours; each takes another number of epochs.
MIXED = [condition(epochs=4), condition("none", 100.0, 2), condition("none", 0.003, 1), condition("final", 0.01, 3)]


def mixed(folder, noise, device) -> list[NetworkRun]:
    folder.mkdir(exist_ok=True)
    return [begin(folder / f"{k}.pt", noise, condition_=c, seed=k, device=device) for k, c in enumerate(MIXED)]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("at_once", [None, 1, 2, 3])
def test_conditions_trained_side_by_side_end_like_conditions_alone(noise, tmp_path, at_once, device):
    device = devices.prepare(device)
    alone = mixed(tmp_path / "alone", noise, device)
    expected = [trained(run)[0] for run in alone]
    together = mixed(tmp_path / "together", noise, device)
    assert str(trained(*together, at_once=at_once)) == str(expected)
    assert [run.position.status for run in together] == ["finished", "diverged", "finished", "finished"]
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]


def test_the_next_network_takes_the_place_of_one_that_ended(noise, tmp_path, monkeypatch):
    groups = []
    epoch = network_run._epoch

    def watched(runs, *rest):
        groups.append([run.seed for run in runs])
        return epoch(runs, *rest)

    monkeypatch.setattr(network_run, "_epoch", watched)
    trained(*mixed(tmp_path, noise, CPU), at_once=2)
    assert groups == [[0, 1], [0, 2], [0, 3], [0, 3], [3]]


@pytest.mark.parametrize("at_once", [2, 3])
@pytest.mark.parametrize("behind", [5, 6, 9])
def test_networks_that_were_killed_at_different_steps_end_like_undisturbed_ones(noise, tmp_path, behind, at_once):
    alone = [begin(tmp_path / f"alone{seed}.pt", noise, seed=seed) for seed in range(3)]
    expected = [trained(run)[0] for run in alone]
    for seed, stop_after in enumerate((behind, 2, 14)):
        steps = iter(range(stop_after))
        with pytest.raises(Interrupted):
            trained(
                begin(tmp_path / f"{seed}.pt", noise, seed=seed), stop=lambda steps=steps: next(steps, None) is None
            )
    together = [begin(tmp_path / f"{seed}.pt", noise, seed=seed) for seed in range(3)]
    assert trained(*together, at_once=at_once) == expected
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]


@pytest.mark.parametrize("stop_after", [3, 5])
def test_a_network_that_diverged_before_a_kill_in_the_same_epoch_keeps_its_row(noise, tmp_path, stop_after):
    """Beside others it waits, masked, for the end of the epoch."""

    def made(folder):
        folder.mkdir(exist_ok=True)
        conditions = [condition(), condition("none", 100.0)]
        return [begin(folder / f"{k}.pt", noise, condition_=c, seed=k) for k, c in enumerate(conditions)]

    expected = trained(*made(tmp_path / "undisturbed"))
    steps = iter(range(stop_after))
    stopped = made(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        trained(*stopped, stop=lambda: next(steps, None) is None)
    assert stopped[1].position.status == "diverged"
    resumed = made(tmp_path / "stopped")
    assert str(trained(*resumed)) == str(expected)
    assert [run.position.status for run in resumed] == ["finished", "diverged"]


def test_a_stop_saves_what_was_trained_while_others_caught_up(noise, tmp_path):
    for seed, stop_after in enumerate((3, 5)):
        steps = iter(range(stop_after))
        with pytest.raises(Interrupted):
            trained(
                begin(tmp_path / f"{seed}.pt", noise, seed=seed), stop=lambda steps=steps: next(steps, None) is None
            )
    settings = configuration(checkpoint_minutes=60)
    together = [begin(tmp_path / f"{seed}.pt", noise, settings, seed=seed) for seed in range(2)]
    with pytest.raises(Interrupted):
        trained(*together, stop=lambda: True)  # the second one has ended its epoch, and the first one made a step
    places = [(run.position.epoch, run.position.step) for run in together]
    assert places == [(0, 5), (1, 0)]
    again = [begin(tmp_path / f"{seed}.pt", noise, settings, seed=seed) for seed in range(2)]
    assert [(run.position.epoch, run.position.step) for run in again] == places


def test_divergence_is_a_result_and_is_not_trained_again(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise, condition_=condition("none", rate=100.0))
    trained(run)
    assert run.position.status == "diverged"
    last = run.position.history[-1]
    assert not last["train_loss"] < 1e2
    assert math.isnan(last["test_accuracy"])
    assert last["steps"] == run.position.total_steps < 18
    again = begin(tmp_path / "a.pt", noise, condition_=condition("none", rate=100.0))
    again.descent.advance = pytest.fail  # type: ignore[method-assign]
    assert str(trained(again)) == str([histories(run)])
    assert again.position.status == "diverged"
    assert again.position.total_steps == run.position.total_steps


def test_a_high_loss_before_the_first_update_is_no_divergence(noise, tmp_path):
    settings = configuration(divergence_loss=0.5)
    run = begin(tmp_path / "a.pt", noise, settings, condition("none", rate=1e-6, epochs=1))
    trained(run)
    assert run.position.status == "finished"


def test_a_change_of_environment_is_said(noise, tmp_path, capsys):
    with pytest.raises(Interrupted):
        trained(begin(tmp_path / "a.pt", noise), stop=lambda: True)
    trained(begin(tmp_path / "a.pt", noise, fingerprint={"device": "another"}))
    assert "continues in another environment (device test -> another)" in capsys.readouterr().err


def test_the_network_learns(noise, tmp_path):
    settings = configuration(augmentation=False)
    (history,) = trained(begin(tmp_path / "a.pt", noise, settings, condition(rate=0.05, epochs=8), seed=0))
    assert history[-1]["train_accuracy"] > 0.6 > 0.25
