import dataclasses
import math

import pytest
import torch

from repro.images.data import ImageData
from repro.machine import devices
from repro.training import network_run
from repro.training.network_run import Interrupted, NetworkRun
from tests.conftest import random_images
from tests.training.runs import CPU, after, begin, history, kept, recipe, trained


@pytest.mark.parametrize("steps_between_stops", [1, 4, 6, 7])
def test_interrupted_runs_end_like_an_uninterrupted_one(noise, tmp_path, steps_between_stops):
    whole = begin(tmp_path / "whole.pt", noise)
    (expected,) = trained(whole)
    interruptions = 0
    while True:
        run = begin(tmp_path / "pieces.pt", noise)
        try:
            (found,) = trained(run, stop=after(steps_between_stops))
            break
        except Interrupted:
            interruptions += 1
    assert interruptions >= 2
    assert found == expected
    assert run.weights_digest() == whole.weights_digest()
    assert kept(run) == kept(whole)


def test_a_run_repeats_bit_for_bit(noise, tmp_path):
    runs = [begin(tmp_path / f"{k}.pt", noise) for k in range(2)]
    assert trained(runs[0]) == trained(runs[1])
    assert runs[0].weights_digest() == runs[1].weights_digest()
    other = begin(tmp_path / "other.pt", noise, seed=2)
    trained(other)
    assert other.weights_digest() != runs[0].weights_digest()


# The second diverges at once and must not touch its neighbours; each takes another number of epochs.
MIXED = [
    recipe(epochs=4),
    recipe("none", 100.0, 2),
    recipe("none", 0.003, 1, dropout=0.2),
    recipe("batch", 0.01, 3, place="final"),
]


def mixed(folder, noise, device) -> list[NetworkRun]:
    folder.mkdir(exist_ok=True)
    return [begin(folder / f"{k}.pt", noise, each, seed=k, device=device) for k, each in enumerate(MIXED)]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("at_once", [None, 1, 2, 3])
def test_recipes_trained_side_by_side_end_like_recipes_alone(noise, tmp_path, at_once, device):
    device = devices.prepare(device)
    alone = mixed(tmp_path / "alone", noise, device)
    expected = [trained(run)[0] for run in alone]
    together = mixed(tmp_path / "together", noise, device)
    assert str(trained(*together, at_once=at_once)) == str(expected)
    assert [run.position.status for run in together] == ["finished", "diverged", "finished", "finished"]
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]
    assert [kept(run) for run in together] == [kept(run) for run in alone]


@pytest.fixture
def groups(monkeypatch) -> list[list[int]]:
    """Seeds of the networks whose epochs are trained together, epoch by epoch."""
    found: list[list[int]] = []
    epoch = network_run._epoch

    def watched(runs, *rest):
        found.append([run.seed for run in runs])
        return epoch(runs, *rest)

    monkeypatch.setattr(network_run, "_epoch", watched)
    return found


def test_the_next_network_takes_the_place_of_one_that_ended(noise, tmp_path, groups):
    trained(*mixed(tmp_path, noise, CPU), at_once=2)
    assert groups == [[0, 1], [0, 2], [0, 3], [0, 3], [3]]


def unlike(folder, noise: ImageData) -> list[NetworkRun]:
    """Epochs of 6 steps, of 3, of 4, and of 6 again but with more test images than are evaluated at once."""
    folder.mkdir(exist_ok=True)
    small = dataclasses.replace(noise, train_images=noise.train_images[:64], train_labels=noise.train_labels[:64])
    cases = [
        (recipe(), noise),
        (recipe(batch_size=32), noise),
        (recipe(), small),
        (recipe(), random_images(test=510)),
        (recipe(epochs=2), noise),
    ]
    return [begin(folder / f"{k}.pt", data, each, seed=k) for k, (each, data) in enumerate(cases)]


@pytest.mark.parametrize("at_once", [None, 2])
def test_networks_with_other_numbers_of_steps_in_an_epoch_wait_for_their_turn(noise, tmp_path, groups, at_once):
    alone = unlike(tmp_path / "alone", noise)
    expected = [trained(run)[0] for run in alone]
    groups.clear()
    together = unlike(tmp_path / "together", noise)
    assert trained(*together, at_once=at_once) == expected
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]
    assert groups == [[0, 4], [0, 4], [0], [1], [1], [1], [2], [2], [2], [3], [3], [3]]


@pytest.mark.parametrize("at_once", [2, 3])
@pytest.mark.parametrize("behind", [5, 6, 9])
def test_networks_that_were_killed_at_different_steps_end_like_undisturbed_ones(noise, tmp_path, behind, at_once):
    alone = [begin(tmp_path / f"alone{seed}.pt", noise, seed=seed) for seed in range(3)]
    expected = [trained(run)[0] for run in alone]
    for seed, steps in enumerate((behind, 2, 14)):
        with pytest.raises(Interrupted):
            trained(begin(tmp_path / f"{seed}.pt", noise, seed=seed), stop=after(steps))
    together = [begin(tmp_path / f"{seed}.pt", noise, seed=seed) for seed in range(3)]
    assert trained(*together, at_once=at_once) == expected
    assert [run.weights_digest() for run in together] == [run.weights_digest() for run in alone]


@pytest.mark.parametrize("steps", [3, 5])
def test_a_network_that_diverged_before_a_kill_in_the_same_epoch_keeps_its_row(noise, tmp_path, capsys, steps):
    """Beside others it waits, masked, for the end of the epoch."""

    def made(folder):
        folder.mkdir(exist_ok=True)
        recipes = [recipe(), recipe("none", 100.0)]
        return [begin(folder / f"{k}.pt", noise, each, seed=k) for k, each in enumerate(recipes)]

    undisturbed = made(tmp_path / "undisturbed")
    expected = trained(*undisturbed)
    stopped = made(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        trained(*stopped, stop=after(steps))
    assert stopped[1].position.status == "diverged"
    resumed = made(tmp_path / "stopped")
    assert "missing" not in capsys.readouterr().err  # what it will keep is not missing yet
    assert not resumed[1].incomplete
    assert str(trained(*resumed)) == str(expected)
    assert [run.position.status for run in resumed] == ["finished", "diverged"]
    assert [kept(run) for run in resumed] == [kept(run) for run in undisturbed]


def test_a_stop_saves_what_was_trained_while_others_caught_up(noise, tmp_path):
    for seed, steps in enumerate((3, 5)):
        with pytest.raises(Interrupted):
            trained(begin(tmp_path / f"{seed}.pt", noise, seed=seed), stop=after(steps))
    together = [begin(tmp_path / f"{seed}.pt", noise, seed=seed, checkpoint_minutes=60) for seed in range(2)]
    with pytest.raises(Interrupted):
        trained(*together, stop=lambda: True)  # the second one has ended its epoch, and the first one made a step
    places = [(run.position.epoch, run.position.step) for run in together]
    assert places == [(0, 5), (1, 0)]
    again = [begin(tmp_path / f"{seed}.pt", noise, seed=seed, checkpoint_minutes=60) for seed in range(2)]
    assert [(run.position.epoch, run.position.step) for run in again] == places


def test_divergence_is_a_result_and_is_not_trained_again(noise, tmp_path, capsys):
    run = begin(tmp_path / "a.pt", noise, recipe("none", rate=100.0))
    trained(run)
    assert run.position.status == "diverged"
    last = run.position.history[-1]
    assert not last["train_loss"] < 1e2
    assert math.isnan(last["test_accuracy"])
    assert last["steps"] == run.position.total_steps < 18
    again = begin(tmp_path / "a.pt", noise, recipe("none", rate=100.0))
    assert "missing" not in capsys.readouterr().err
    again.descent.advance = pytest.fail  # type: ignore[method-assign]
    assert str(trained(again)) == str([history(run)])
    assert again.position.status == "diverged"
    assert again.position.total_steps == run.position.total_steps


def test_a_high_loss_before_the_first_update_is_no_divergence(noise, tmp_path, monkeypatch):
    monkeypatch.setattr("repro.training.descent.DIVERGENCE_LOSS", 0.5)
    run = begin(tmp_path / "a.pt", noise, recipe("none", rate=1e-6, epochs=1))
    trained(run)
    assert run.position.status == "finished"


def test_a_change_of_environment_is_said(noise, tmp_path, capsys):
    with pytest.raises(Interrupted):
        trained(begin(tmp_path / "a.pt", noise), stop=lambda: True)
    trained(begin(tmp_path / "a.pt", noise, fingerprint={"device": "another"}))
    assert "continues in another environment (device test -> another)" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"nonsense", None])
def test_without_a_sound_checkpoint_training_begins_anew(noise, tmp_path, capsys, damage):
    """`None`: a folder is where the checkpoint should be."""
    path = tmp_path / "a.pt"
    whole = begin(tmp_path / "whole.pt", noise)
    trained(whole)
    if damage is None:
        (path / "something").mkdir(parents=True)
    else:
        path.write_bytes(damage)
    run = begin(path, noise)
    assert str(path) in capsys.readouterr().err
    assert run.position.total_steps == 0
    trained(run)
    assert run.weights_digest() == whole.weights_digest()
    assert not begin(path, noise).incomplete


def test_the_network_learns(noise, tmp_path):
    (found,) = trained(begin(tmp_path / "a.pt", noise, recipe(rate=0.05, epochs=8, augmentation=False), seed=0))
    assert found[-1]["train_accuracy"] > 0.6 > 0.25


def test_a_digest_tells_buffers_of_any_type(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise)
    before = run.weights_digest()
    (counts,) = (buffer for buffer in run.descent.buffers if buffer.dtype == torch.int64)
    counts[0] += 1
    assert run.weights_digest() != before
    run.descent.buffers.append(torch.zeros(3, dtype=torch.bfloat16))
    assert len(run.weights_digest()) == 64
