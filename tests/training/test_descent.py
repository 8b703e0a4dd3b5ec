import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from repro.images import batches
from repro.images.data import normalise
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.descent import Descent

BATCH = 16


NORMALISATIONS = [
    {"normalisation": "batch"},
    {"normalisation": "none"},
    {"normalisation": "batch", "place": "final"},
    {"normalisation": "batch", "place": "after_activation"},
]


def recipe(**settings) -> Recipe:
    return Recipe(**{"depth": 8, "batch_size": BATCH, **settings})


def network(recipe_: Recipe, seed: int = 5) -> ResidualNetwork:
    return ResidualNetwork(recipe_, 4, seed).double()


def descent(data, recipe_: Recipe, seed: int = 0, network_: ResidualNetwork | None = None) -> Descent:
    made = Descent(network_ or network(recipe_), data, recipe_, seed)
    made.active.fill_(True)
    return made


def running(network_: nn.Module) -> list[torch.Tensor]:
    return [buffer for name, buffer in network_.named_buffers() if "running" in name]


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("augmentation", [True, False])
def test_steps_agree_with_the_equations_in_double_precision(noise, normalisation, augmentation):
    chosen = recipe(**normalisation, momentum=0.8, weight_decay=0.01, augmentation=augmentation)
    slow = network(chosen).train()
    ours = descent(noise, chosen, seed=5)
    ours.begin_epoch(epoch=3, learning_rate=0.003)
    velocity = {name: torch.zeros_like(weight) for name, weight in slow.named_parameters()}
    losses, norms, hits = [], [], 0
    for images, labels in batches.epoch_batches(noise, BATCH, 5, 3, augmentation, torch.device("cpu")):
        ours.advance()
        logits = slow(images.double())
        loss = -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()
        gradients = torch.autograd.grad(loss, list(slow.parameters()))
        losses.append(loss.item())
        norms.append(sum((gradient**2).sum().item() for gradient in gradients) ** 0.5)
        hits += int((logits.argmax(1) == labels).sum())
        with torch.no_grad():
            for (name, weight), gradient in zip(slow.named_parameters(), gradients, strict=True):
                velocity[name] = 0.8 * velocity[name] + gradient + 0.01 * weight
                weight -= 0.003 * velocity[name]
    assert ours.step == ours.total_steps == len(losses) == 6
    assert ours.first_loss == pytest.approx(losses[0], rel=1e-10)
    assert ours.loss_sum == pytest.approx(sum(losses), rel=1e-10)
    assert ours.gradient_norm_sum == pytest.approx(sum(norms), rel=1e-10)
    assert ours.correct == hits
    for (name, theirs), mine in zip(slow.named_parameters(), ours.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12, msg=name)
    for mine, theirs in zip(running(ours.network), running(slow), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_updates_agree_with_pytorchs_optimiser(noise, layout):
    ours = Descent(network(recipe()), noise, recipe(momentum=0.9, weight_decay=5e-4), 0, layout)
    ours.active.fill_(True)
    assert ours.network.convolution1.weight.is_contiguous(memory_format=layout)
    theirs = network(recipe()).train()
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    ours.begin_epoch(0, 0.1)
    for images, labels in batches.epoch_batches(noise, BATCH, 0, 0, True, torch.device("cpu")):
        ours.advance()
        optimiser.zero_grad()
        functional.cross_entropy(theirs(images.double()), labels).backward()
        optimiser.step()
    for mine, weight in zip(ours.network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, weight, rtol=1e-9, atol=1e-11)


def test_evaluation_uses_running_averages_and_counts_each_image_once(noise, monkeypatch):
    monkeypatch.setattr("repro.training.descent.EVALUATION_BATCH", 15)  # 40 test images: two batches and a part
    ours = descent(noise, recipe())
    ours.begin_epoch(0, 0.1)
    ours.advance()
    trained = copy.deepcopy(ours.network).eval()
    losses, hits = [], 0
    with torch.no_grad():
        for image, label in zip(noise.test_images, noise.test_labels, strict=True):
            logits = trained(normalise(image[None], noise).double())
            losses.append(functional.cross_entropy(logits, label[None]).item())
            hits += logits.argmax().item() == label.item()
    for _ in range(3):
        ours.evaluate()
    assert ours.tested == 40
    assert ours.test_loss_sum == pytest.approx(np.sum(losses), rel=1e-10)
    assert ours.test_correct == hits
    ours.evaluate()
    assert ours.tested == 40


def everything(made: Descent) -> dict[str, torch.Tensor]:
    found = {name: value for name, value in vars(made).items() if isinstance(value, torch.Tensor)}
    found |= {f"buffers {number}": buffer for number, buffer in enumerate(made.buffers)}
    return {name: value.clone() for name, value in found.items()}


def test_an_inactive_network_does_not_change(noise):
    ours = descent(noise, recipe())
    ours.begin_epoch(0, 0.1)
    ours.advance()
    ours.active.fill_(False)
    before = everything(ours)
    ours.advance()
    ours.evaluate()
    assert all(torch.equal(value, before[name]) for name, value in everything(ours).items())


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e200])
def test_divergence_ends_all_change(noise, poison):
    ours = descent(noise, recipe())
    ours.begin_epoch(0, 0.1)
    ours.advance()
    with torch.no_grad():
        ours.network.classifier.bias[0] = poison
    before = everything(ours)
    ours.advance()
    after = everything(ours)
    assert ours.diverged
    assert (ours.step, ours.total_steps) == (2, 1)
    assert not ours.loss_sum < 1e3
    changed = {name for name in before if not torch.equal(before[name].nan_to_num(7), after[name].nan_to_num(7))}
    assert changed == {"diverged", "step", "loss_sum"}
    ours.advance()
    assert all(torch.equal(a.nan_to_num(7), after[name].nan_to_num(7)) for name, a in everything(ours).items())


def test_the_networks_weights_are_views_of_one_tensor(noise):
    ours = descent(noise, recipe())
    assert sum(weight.numel() for weight in ours.network.parameters()) == ours.parameters.numel()
    ours.parameters.zero_()
    assert all((weight == 0).all() for weight in ours.network.parameters())
    assert sum(buffer.numel() for buffer in ours.network.buffers()) == sum(flat.numel() for flat in ours.buffers)
    for flat in ours.buffers:
        flat.fill_(3)
    assert all((buffer == 3).all() for buffer in ours.network.buffers())


def test_the_fastest_precision_is_to_be_known(noise):
    with pytest.raises(ValueError, match="that of a device"):
        descent(noise, recipe(precision="fastest"))


def test_bfloat16_is_close_and_keeps_float32_weights(noise):
    losses = {}
    for precision in ("float32", "bfloat16"):
        chosen = recipe(precision=precision)
        ours = descent(noise, chosen, network_=network(chosen).float())
        ours.begin_epoch(0, 0.01)
        for _ in range(3):
            ours.advance()
        losses[precision] = ours.loss_sum.item()
        assert ours.parameters.dtype == ours.velocity.dtype == torch.float32
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
