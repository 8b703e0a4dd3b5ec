import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from repro import config
from repro.config import Condition
from repro.datasets import normalise
from repro.networks import ResidualNetwork
from repro.training import batches
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


def without_times(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_learning_rate_drops_at_half_and_three_quarters():
    rates = [learning_rate(condition(rate=1.0, epochs=8), epoch) for epoch in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    # The paper's longest cycle: 165 epochs, drops after 82.5 and 123.75.
    rates = [learning_rate(condition(rate=1.0, epochs=165), epoch) for epoch in range(165)]
    assert (np.isclose(rates, 1).sum(), np.isclose(rates, 0.1).sum(), np.isclose(rates, 0.01).sum()) == (83, 41, 41)


@pytest.mark.parametrize("normalisation", ["batch", "none", "final"])
def test_training_agrees_with_the_equations_in_double_precision(noise, tmp_path, normalisation):
    settings = configuration(momentum=0.8, weight_decay=0.01)
    run = NetworkRun(settings, condition(normalisation, rate=0.003, epochs=1), 5, noise, CPU)
    run.network.double()
    slow = ResidualNetwork(settings.network, normalisation, 4, seed=5).double().train()
    velocity = {name: torch.zeros_like(weight) for name, weight in slow.named_parameters()}
    losses, norms = [], []
    for images, labels in batches.epoch_batches(noise, 16, 5, 0, True, CPU):
        run.network.train()
        run._step(images.double(), labels)
        logits = slow(images.double())
        loss = -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()
        gradients = torch.autograd.grad(loss, list(slow.parameters()))
        losses.append(loss.item())
        norms.append(math.sqrt(sum((gradient**2).sum().item() for gradient in gradients)))
        with torch.no_grad():
            for (name, weight), gradient in zip(slow.named_parameters(), gradients, strict=True):
                velocity[name] = 0.8 * velocity[name] + gradient + 0.01 * weight
                weight -= 0.003 * velocity[name]
    assert run.position.loss_sum == pytest.approx(sum(losses), rel=1e-10)
    assert run.position.gradient_norm_sum == pytest.approx(sum(norms), rel=1e-10)
    for (name, ours), theirs in zip(run.network.state_dict().items(), slow.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=name)


def test_evaluation_uses_running_averages(noise):
    run = NetworkRun(configuration(), condition(), 0, noise, CPU)
    run.network.train()
    run._step(*next(batches.epoch_batches(noise, 16, 0, 0, True, CPU)))
    network = copy.deepcopy(run.network).eval()
    losses, hits = [], []
    with torch.no_grad():
        for image, label in zip(noise.test_images, noise.test_labels, strict=True):
            logits = network(normalise(image[None], noise))
            losses.append(functional.cross_entropy(logits, label[None]).item())
            hits.append(logits.argmax().item() == label.item())
    loss, accuracy = run.evaluate()
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert accuracy == np.mean(hits)


def test_a_run_repeats_bit_for_bit(noise, tmp_path):
    runs = [NetworkRun(configuration(), condition(), 1, noise, CPU) for _ in range(2)]
    histories = [run.train(tmp_path / f"{k}.pt", HERE).history for k, run in enumerate(runs)]
    assert without_times(histories[0]) == without_times(histories[1])
    assert runs[0].weights_digest() == runs[1].weights_digest()
    other = NetworkRun(configuration(), condition(), 2, noise, CPU)
    other.train(tmp_path / "other.pt", HERE)
    assert other.weights_digest() != runs[0].weights_digest()


@pytest.mark.parametrize("steps_between_stops", [1, 4, 7])
def test_interrupted_runs_end_like_an_uninterrupted_one(noise, tmp_path, steps_between_stops):
    whole = NetworkRun(configuration(), condition(), 1, noise, CPU)
    expected = whole.train(tmp_path / "whole.pt", HERE).history
    interruptions = 0
    while True:
        steps = iter(range(steps_between_stops))
        run = NetworkRun(configuration(), condition(), 1, noise, CPU)
        try:
            position = run.train(tmp_path / "pieces.pt", HERE, stop=lambda steps=steps: next(steps, None) is None)
            break
        except Interrupted:
            interruptions += 1
    assert interruptions >= 2
    assert without_times(position.history) == without_times(expected)
    assert run.weights_digest() == whole.weights_digest()


def test_divergence_is_a_result_and_is_not_trained_again(noise, tmp_path):
    run = NetworkRun(configuration(), condition("none", rate=100.0), 0, noise, CPU)
    position = run.train(tmp_path / "a.pt", HERE)
    assert position.status == "diverged"
    last = position.history[-1]
    assert not last["train_loss"] < 1e2
    assert math.isnan(last["test_accuracy"])
    assert last["steps"] == position.total_steps < 18
    again = NetworkRun(configuration(), condition("none", rate=100.0), 0, noise, CPU)
    again._step = pytest.fail  # type: ignore[method-assign]
    assert without_times(again.train(tmp_path / "a.pt", HERE).history[:-1]) == without_times(position.history[:-1])
    assert again.position.status == "diverged"
    assert again.position.total_steps == position.total_steps


def test_a_high_loss_before_the_first_update_is_no_divergence(noise, tmp_path):
    run = NetworkRun(configuration(divergence_loss=0.5), condition("none", rate=1e-6, epochs=1), 0, noise, CPU)
    assert run.train(tmp_path / "a.pt", HERE).status == "finished"


def test_a_change_of_environment_is_said(noise, tmp_path, capsys):
    def stop_at_once() -> bool:
        return True

    with pytest.raises(Interrupted):
        NetworkRun(configuration(), condition(), 1, noise, CPU).train(tmp_path / "a.pt", HERE, stop_at_once)
    NetworkRun(configuration(), condition(), 1, noise, CPU).train(tmp_path / "a.pt", {"device": "another"})
    assert "continues in another environment (device test -> another)" in capsys.readouterr().err


def test_the_network_learns(noise, tmp_path):
    run = NetworkRun(configuration(augmentation=False), condition(rate=0.05, epochs=8), 0, noise, CPU)
    history = run.train(tmp_path / "a.pt", HERE).history
    assert history[-1]["train_accuracy"] > 0.6 > 0.25
    assert history[-1]["train_loss"] < history[0]["train_loss"]
