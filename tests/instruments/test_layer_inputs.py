import math

import numpy as np
import pytest
import torch

from repro.instruments.layer_inputs import channel_moments, earlier_parameters, kept_buffers, reduce_inputs
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from tests.oracles import networks as oracle


def network(**recipe) -> ResidualNetwork:
    return ResidualNetwork(Recipe(depth=8, **recipe), 4, 0).train()


def images(count: int = 3, size: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_buffers_are_kept_also_when_a_pass_fails():
    made = network()
    before = {name: buffer.clone() for name, buffer in made.named_buffers()}
    with kept_buffers(made):
        made(images())
        assert not all(torch.equal(before[name], buffer) for name, buffer in made.named_buffers())
    assert all(torch.equal(before[name], buffer) for name, buffer in made.named_buffers())
    with pytest.raises(RuntimeError, match="channels"), kept_buffers(made):
        made.blocks[0](made.stem(images())[:, :3])
    assert all(torch.equal(before[name], buffer) for name, buffer in made.named_buffers())


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_inputs_are_those_of_the_network_written_out(normalisation):
    made = network(normalisation=normalisation).double()
    before = {name: buffer.clone() for name, buffer in made.named_buffers()}
    found = reduce_inputs(made, images().double(), range(1, 9), lambda received: received.numpy().copy())
    assert all(torch.equal(before[name], buffer) for name, buffer in made.named_buffers())
    assert np.array_equal(found[1], images().double().numpy())
    weights = {name: parameter.detach().numpy() for name, parameter in made.named_parameters()}
    logits, outputs = oracle.logits(weights, images().double().numpy(), 8, normalisation, "B")
    # Each layer's output follows from its input, so inputs that give the right outputs are the right ones: kernels of
    # these sizes are injective only in part, so look at the first and last ones directly too.
    normalise = oracle.batch_normalisation if normalisation == "batch" else lambda values: values
    assert found[2] == pytest.approx(np.maximum(normalise(outputs[1]), 0))
    assert found[3] == pytest.approx(np.maximum(normalise(outputs[2]), 0))
    assert found[5] == pytest.approx(np.maximum(normalise(outputs[4]), 0))
    assert found[4] == pytest.approx(np.maximum(normalise(outputs[3]) + found[2], 0))
    assert found[8] @ weights["classifier.weight"].T + weights["classifier.bias"] == pytest.approx(logits)


def test_moments_are_those_of_a_loop():
    values = torch.randn(3, 4, 2, 5, generator=torch.Generator().manual_seed(1)) * 3 + 1
    values[:, 2] = 0.1  # constant
    mean, deviation = channel_moments(values)
    for channel in range(4):
        flat = [float(value) for value in values[:, channel].flatten()]
        by_hand = math.fsum(flat) / len(flat)
        assert mean[channel].item() == pytest.approx(by_hand)
        squares = math.fsum((value - by_hand) ** 2 for value in flat)
        assert deviation[channel].item() == pytest.approx(math.sqrt(squares / len(flat)), abs=1e-12)
    assert deviation[2] == 0
    assert (mean.dtype, deviation.dtype) == (torch.float64, torch.float64)
    flat_mean, flat_deviation = channel_moments(values[:, :, 0, 0])
    assert flat_mean.numpy() == pytest.approx(values[:, :, 0, 0].double().numpy().mean(0))
    assert flat_deviation.numpy() == pytest.approx(values[:, :, 0, 0].double().numpy().std(0), abs=1e-7)


def names_before(layer: int) -> list[str]:
    """Of a network of depth 8 with BN, by hand."""
    stem = ["convolution1.weight", "normalisation1.weight", "normalisation1.bias"]
    block = [
        f"{name}.{part}"
        for name in ("convolution1", "normalisation1", "convolution2", "normalisation2")
        for part in ("weight", "bias")
        if name.startswith("n") or part == "weight"
    ]
    shortcut = ["shortcut.0.weight", "shortcut.1.weight", "shortcut.1.bias"]
    blocks = [block, block + shortcut, block + shortcut]
    if layer == 1:
        return []
    number, second = divmod(layer - 2, 2)
    names = list(stem)
    for earlier in range(min(number, 3)):
        names += [f"blocks.{earlier}.{name}" for name in blocks[earlier]]
    if second:
        names += [f"blocks.{number}.{name}" for name in block[:3]]
    return names


def test_earlier_parameters_are_those_before_the_layer():
    made = network()
    names = {parameter: name for name, parameter in made.named_parameters()}
    before = {name: buffer.clone() for name, buffer in made.named_buffers()}
    found = earlier_parameters(made, images(2), range(1, 9))
    for layer in range(1, 9):
        assert sorted(names[parameter] for parameter in found[layer]) == sorted(names_before(layer)), layer
    assert all(torch.equal(before[name], buffer) for name, buffer in made.named_buffers())
    assert all(parameter.grad is None for parameter in made.parameters())


@pytest.mark.parametrize(
    "recipe",
    [
        {"normalisation": "none"},
        {"place": "final"},
        {"place": "after_activation", "shortcut": "A"},
        {"normalisation": "weight_standardisation", "dropout": 0.2},
        {"normalisation": "batch_renormalisation"},
        {"shortcut": "none"},
    ],
)
def test_in_every_kind_of_network_changing_others_leaves_the_input_alone(recipe):
    made = network(**recipe)
    layers = range(2, 9)
    found = earlier_parameters(made, images(2), layers)
    before = reduce_inputs(made, images(), layers, torch.clone)
    for name, parameter in made.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(torch.rand_like(parameter))
        after = reduce_inputs(made, images(), layers, torch.clone)
        with torch.no_grad():
            parameter.copy_(kept)
        for layer in layers:
            earlier = any(parameter is each for each in found[layer])
            assert torch.equal(before[layer], after[layer]) != earlier, (name, layer)
