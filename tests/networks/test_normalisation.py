"""Kinds of normalisation, against PyTorch's own layers where it has them, else against loops in float64."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.networks import normalisation
from repro.networks.normalisation.batch_renormalisation import BatchRenormalisation
from repro.networks.normalisation.weight_standardisation import StandardisedKernel
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.settings.types import kinds

CHANNELS = 16


def made(kind: str, channels: int = CHANNELS, **recipe) -> nn.Module:
    return normalisation.layer_of(Recipe(normalisation=kind, **recipe), channels)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outcome(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Output, and gradients of a function of it with respect to inputs and parameters; then the buffers."""
    inputs = inputs.clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer(inputs)
    gradients = torch.autograd.grad((output**3).sum(), [inputs, *layer.parameters()])
    return [output, *gradients, *layer.buffers()]


def affine(layer: nn.Module) -> nn.Module:
    """With a gain and a bias in every channel that show."""
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            start, end = {"weight": (0.5, 2), "bias": (-1, 1)}[name]
            parameter.copy_(torch.linspace(start, end, len(parameter)))
    return layer


# --- what holds for every kind ---


@pytest.mark.parametrize("kind", kinds("normalisation"))
def test_every_kind_draws_nothing_and_keeps_the_shape(kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    layer = made(kind)
    assert torch.equal(torch.rand(3), expected)
    for training in (True, False):
        assert layer.train(training)(torch.randn(4, 16, 3, 5)).shape == (4, 16, 3, 5)


@pytest.mark.parametrize("kind", kinds("normalisation"))
def test_evaluation_of_every_kind_changes_no_buffer(kind):
    layer = made(kind)
    layer.train()(torch.randn(4, 16, 3, 3))
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    layer.eval()(torch.randn(4, 16, 3, 3))
    assert all(torch.equal(buffer, before[name]) for name, buffer in layer.named_buffers())


@pytest.mark.parametrize("kind", kinds("normalisation"))
def test_every_kind_computes_under_reduced_precision_as_exactly_as_that_has_it(kind):
    layer, images = made(kind).train(), drawn(8, 16, 6, 6).float()
    expected = copy.deepcopy(layer)(images.bfloat16().float())
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(images.bfloat16())
    torch.testing.assert_close(found.float(), expected, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("kind", sorted(set(kinds("normalisation")) - {"batch", "batch_renormalisation"}))
def test_a_kind_without_running_averages_is_the_same_in_training_and_evaluation(kind):
    layer, images = affine(made(kind)), drawn(4, 16, 3, 3).float()
    assert not list(layer.buffers())
    assert torch.equal(layer.train()(images), layer.eval()(images))


@pytest.mark.parametrize("kind", ["group", "instance", "layer", "local_response", "weight_standardisation"])
def test_an_example_is_normalised_by_itself(kind):
    layer, images = affine(made(kind)), drawn(4, 16, 3, 3).float()
    torch.testing.assert_close(layer(images)[1:2], layer(images[1:2]))


# --- PyTorch's own ---


@pytest.mark.parametrize("momentum", [0.1, 0.01, 1.0])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_normalisation_is_pytorchs(training: bool, layout: torch.memory_format, momentum: float):
    images = drawn(8, 5, 6, 6).float().contiguous(memory_format=layout)
    layers = (made("batch", 5, averaging_momentum=momentum), nn.BatchNorm2d(5, momentum=momentum))
    for _ in range(2):  # the second time with other running averages
        found, expected = (outcome(affine(layer.train(training)), images) for layer in layers)
        # PyTorch's layer also counts its steps.
        for ours, theirs in zip(found[:-1], expected[:-1], strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "recipe", "pytorchs"),
    [
        ("layer", {}, nn.GroupNorm(1, CHANNELS)),
        ("group", {}, nn.GroupNorm(8, CHANNELS)),
        ("group", {"groups": 2}, nn.GroupNorm(2, CHANNELS)),
        ("instance", {}, nn.InstanceNorm2d(CHANNELS, affine=True)),
        ("local_response", {}, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)),
        ("weight_standardisation", {"groups": 4}, nn.GroupNorm(4, CHANNELS)),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_kind_is_pytorchs(kind: str, recipe: dict[str, int], pytorchs: nn.Module, layout: torch.memory_format):
    images = (3 + 20 * drawn(4, CHANNELS, 6, 5)).contiguous(memory_format=layout)
    layers = (made(kind, **recipe), copy.deepcopy(pytorchs))
    found, expected = (outcome(affine(layer.double()), images) for layer in layers)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_no_normalisation_is_the_identity():
    activations = torch.randn(2, 5, 3, 3)
    assert torch.equal(made("none", 5)(activations), activations)
    assert not list(made("none", 5).parameters())


# --- loops ---


def by_channels_of(example: int, channel: int, groups: int) -> tuple[list[int], range]:
    size = CHANNELS // groups
    return [example], range(channel // size * size, channel // size * size + size)


@pytest.mark.parametrize(
    ("kind", "over"),
    [
        ("layer", lambda b, c: by_channels_of(b, c, 1)),
        ("group", lambda b, c: by_channels_of(b, c, 8)),
        ("instance", lambda b, c: by_channels_of(b, c, CHANNELS)),
        ("batch", lambda b, c: (range(3), [c])),
        ("batch_renormalisation", lambda b, c: (range(3), [c])),
    ],
)
def test_moments_are_taken_over_what_a_kind_says(kind: str, over: Callable[[int, int], tuple[list[int], list[int]]]):
    layer, images = affine(made(kind)).double().train(), 2 + 3 * drawn(3, CHANNELS, 4, 2)
    found, x = layer(images).detach().numpy(), images.numpy()
    for b in range(3):
        for c in range(CHANNELS):
            part = np.array([x[i, j] for i in over(b, c)[0] for j in over(b, c)[1]])
            mean = part.sum() / part.size
            variance = ((part - mean) ** 2).sum() / part.size
            gain, bias = (each.detach()[c].item() for each in (layer.weight, layer.bias))
            expected = gain * (x[b, c] - mean) / np.sqrt(variance + 1e-5) + bias
            np.testing.assert_allclose(found[b, c], expected, rtol=1e-9, atol=1e-9)


def test_local_response_is_alexnets_equation():
    images = 30 * drawn(2, 7, 3, 2)
    found = made("local_response", 7)(images)
    for c in range(7):
        total = torch.zeros(2, 3, 2, dtype=torch.float64)
        for j in range(max(0, c - 2), min(6, c + 2) + 1):
            total += images[:, j] ** 2
        torch.testing.assert_close(found[:, c], images[:, c] / (2 + 1e-4 * total) ** 0.75, rtol=1e-12, atol=0)


# --- batch renormalization ---


def renormalising(updates: int = 0, momentum: float = 0.1, start: int = 5000) -> BatchRenormalisation:
    layer = made("batch_renormalisation", 5, averaging_momentum=momentum, renormalisation_start=start)
    assert isinstance(layer, BatchRenormalisation)
    layer.updates.fill_(updates)
    affine(layer)
    return layer.double().train()


@pytest.mark.parametrize(
    ("updates", "r_max", "d_max"),
    [
        (0, 1, 0),
        (5000, 1, 0),
        (15000, 1 + 2 * 10 / 35, 2.5),
        (25000, 1 + 2 * 20 / 35, 5),
        (40000, 3, 5),
        (10**9, 3, 5),
    ],
)
def test_the_limits_are_ioffes_and_follow_the_recipe(updates: int, r_max: float, d_max: float):
    assert [limit.item() for limit in renormalising(updates).limits()] == pytest.approx([r_max, d_max], rel=1e-6)
    shorter = renormalising(updates // 100, start=50)
    assert [limit.item() for limit in shorter.limits()] == pytest.approx([r_max, d_max], rel=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_while_its_limits_are_shut_it_is_batch_normalisation_bit_for_bit(layout: torch.memory_format):
    ours, batch = renormalising().float(), affine(made("batch", 5)).train()
    for seed in range(3):
        images = (2 + 3 * drawn(8, 5, 6, 6, seed=seed)).float().contiguous(memory_format=layout)
        found, expected = (outcome(layer, images)[:4] for layer in (ours, batch))
        for mine, theirs in zip(found, expected, strict=True):
            assert torch.equal(mine, theirs)
    assert ours.updates == 3


def test_it_is_the_algorithm_in_loops_with_limits_that_open_and_clip():
    layer, start, momentum = renormalising(momentum=0.2, start=2), 2, 0.2
    mean, deviation = np.zeros(5), np.ones(5)
    gain, bias = (each.detach().numpy() for each in (layer.weight, layer.bias))
    clipped = set()
    for update in range(20):
        images = drawn(4, 5, 3, 2, seed=update)
        images[:, 1] = images[:, 1] * 6 + 8
        images[:, 2] = images[:, 2] / 10 - 3
        # the gradient of a linear function, to which r and d are constants
        inputs, direction = images.clone().requires_grad_(), drawn(4, 5, 3, 2, seed=100 + update)
        found = layer(inputs)
        (gradient,) = torch.autograd.grad((found * direction).sum(), inputs)
        r_max = 1 + 2 * min(max((update - start) / (7 * start), 0), 1)
        d_max = 5 * min(max((update - start) / (4 * start), 0), 1)
        for c in range(5):
            x, g = images[:, c].numpy(), direction[:, c].numpy()
            batch_mean = x.sum() / x.size
            batch_deviation = np.sqrt(1e-5 + ((x - batch_mean) ** 2).sum() / x.size)
            raw_r, raw_d = batch_deviation / deviation[c], (batch_mean - mean[c]) / deviation[c]
            r, d = min(max(raw_r, 1 / r_max), r_max), min(max(raw_d, -d_max), d_max)
            clipped |= {(raw_r > r, raw_r < r), (raw_d > d, raw_d < d)}
            normalised = (x - batch_mean) / batch_deviation
            np.testing.assert_allclose(
                found[:, c].detach(), gain[c] * (normalised * r + d) + bias[c], rtol=1e-9, atol=1e-9
            )
            expected = g - g.mean() - normalised * (g * normalised).mean()
            np.testing.assert_allclose(gradient[:, c], gain[c] * r / batch_deviation * expected, rtol=1e-9, atol=1e-9)
            mean[c] += momentum * (batch_mean - mean[c])
            deviation[c] += momentum * (batch_deviation - deviation[c])
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-9)
        np.testing.assert_allclose(layer.running_deviation, deviation, rtol=1e-9)
        assert layer.updates == update + 1
    assert clipped == {(True, False), (False, True), (False, False)}
    images = drawn(4, 5, 3, 2, seed=50)
    expected = gain * (images.numpy().transpose(0, 2, 3, 1) - mean) / deviation + bias
    np.testing.assert_allclose(layer.eval()(images).detach(), expected.transpose(0, 3, 1, 2), rtol=1e-9, atol=1e-9)


def test_unclipped_training_computes_what_evaluation_does():
    layer = renormalising(10**6)
    layer.running_mean.fill_(0.3)
    layer.running_deviation.fill_(1.2)
    images = drawn(4, 5, 3, 2)
    expected = copy.deepcopy(layer).eval()(images)
    torch.testing.assert_close(layer(images), expected, rtol=1e-9, atol=1e-9)


# --- SkipInit ---


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_skip_init_is_a_factor_on_every_branch_and_nothing_else(shortcut: str):
    network = ResidualNetwork(Recipe(depth=14, normalisation="skip_init", shortcut=shortcut), 4, seed=1).double()
    other = ResidualNetwork(Recipe(depth=14, normalisation="none", shortcut=shortcut), 4, seed=1).double()
    factors = [block.normalisation2.factor for block in network.blocks]
    assert len(list(network.parameters())) == len(list(other.parameters())) + len(factors)
    with torch.no_grad():
        for number, (block, factor) in enumerate(zip(other.blocks, factors, strict=True)):
            assert factor.item() == pytest.approx(1 / np.sqrt(6))
            factor.fill_(0.1 * number)  # as if trained
            block.convolution2.weight.mul_(factor)
    images = drawn(4, 3, 8, 8)
    torch.testing.assert_close(network(images), other(images), rtol=1e-12, atol=1e-12)


# --- weight standardisation ---


def test_a_standardised_kernel_in_loops():
    weights = (0.1 + 0.2 * drawn(4, 3, 3, 3)).requires_grad_()
    kernel = StandardisedKernel()(weights)
    for o in range(4):
        mean = weights[o].sum() / 27
        deviation = ((weights[o] - mean) ** 2).sum().div(27).sqrt()
        torch.testing.assert_close(kernel[o], (weights[o] - mean) / (deviation + 1e-5), rtol=1e-12, atol=1e-12)
    # The mean of a channel's weights does not matter, and their scale only as far as epsilon stands beside it.
    direction = drawn(4, 3, 3, 3, seed=1)
    (gradient,) = torch.autograd.grad((kernel * direction).sum(), weights)
    assert gradient.sum(dim=(1, 2, 3)).abs().max() < 1e-10
    centred = weights - weights.mean(dim=(1, 2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(1, 2, 3)).sqrt()
    expected = (direction * kernel).sum(dim=(1, 2, 3)) * 1e-5 / (deviation + 1e-5)
    torch.testing.assert_close((gradient * centred).sum(dim=(1, 2, 3)), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("place", ["everywhere", "after_activation"])
def test_every_convolution_applies_its_standardised_kernel(place: str):
    recipe = Recipe(depth=8, normalisation="weight_standardisation", place=place)
    network = ResidualNetwork(recipe, 4, seed=1).double()
    convolutions = {name: each for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
    assert len(convolutions) == 7 + 2
    # The same network of groups, whose kernels are standardised by hand.
    other = ResidualNetwork(Recipe(depth=8, normalisation="group", place=place), 4, seed=1).double()
    with torch.no_grad():
        for name, convolution in convolutions.items():
            plain = other.get_submodule(name)
            assert torch.equal(convolution.parametrizations.weight.original, plain.weight)
            plain.weight.copy_(StandardisedKernel()(plain.weight))
            assert torch.equal(convolution.weight, plain.weight)  # what measurements see
    images = drawn(4, 3, 8, 8)
    torch.testing.assert_close(network(images), other(images), rtol=1e-12, atol=1e-12)


def test_other_kinds_leave_kernels_alone():
    for kind in set(kinds("normalisation")) - {"weight_standardisation"}:
        convolution = nn.Conv2d(2, 3, 3)
        normalisation.normalise_kernel(Recipe(normalisation=kind), convolution)
        assert type(convolution) is nn.Conv2d
