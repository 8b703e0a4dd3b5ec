import math

import pytest
import torch

from repro.networks import dropout
from repro.networks.dropout import RANGE, Dropout, key, mix, use_masks
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe


def unmix(value: int) -> int:
    """The hash undone step by step, with Python's whole numbers."""

    def unshift(number: int, bits: int) -> int:
        found = number
        for _ in range(32 // bits + 1):
            found = number ^ (found >> bits)
        return found

    value = unshift(value, 15) * pow(0x735A2D97, -1, RANGE) % RANGE
    value = unshift(value, 15) * pow(0x21F0AAAD, -1, RANGE) % RANGE
    return unshift(value, 16)


def test_mix_is_a_bijection_on_a_sample():
    generator = torch.Generator().manual_seed(0)
    ends = torch.cat([torch.arange(1000), torch.arange(RANGE - 1000, RANGE)])
    values = torch.cat([torch.randint(0, RANGE, (20_000,), generator=generator), ends]).unique()
    mixed = mix(values)
    assert mixed.dtype == torch.int64
    assert mixed.min() >= 0
    assert mixed.max() < RANGE
    assert len(mixed.unique()) == len(values)
    for value, found in zip(values[::10].tolist(), mixed[::10].tolist(), strict=True):
        assert unmix(found) == value


def test_mix_is_wellons_hash_by_pythons_whole_numbers():
    for value in (0, 1, 2, 12345, 2**31, RANGE - 1):
        expected = value ^ value >> 16
        expected = expected * 0x21F0AAAD % RANGE
        expected ^= expected >> 15
        expected = expected * 0x735A2D97 % RANGE
        expected ^= expected >> 15
        assert mix(torch.tensor(value)).item() == expected


@pytest.mark.parametrize("start", [0, 10**6, RANGE - 2**18])
@pytest.mark.parametrize("stride", [1, 64, 4096])
def test_mix_of_neighbours_is_uniform(start, stride):
    """Chi-square over 256 bins of the leading and of the trailing bits; 255 +- 23 degrees of freedom."""
    values = mix((start + stride * torch.arange(2**18)) % RANGE)
    for bins in (values >> 24, values & 255):
        counts = torch.bincount(bins, minlength=256)
        chi_square = ((counts - 1024) ** 2 / 1024).sum().item()
        assert abs(chi_square - 255) < 6 * math.sqrt(2 * 255)


def test_one_bit_of_the_input_changes_half_the_bits_of_the_output():
    values = torch.randint(0, RANGE, (4000,), generator=torch.Generator().manual_seed(1))
    for bit in range(32):
        changed = mix(values) ^ mix(values ^ (1 << bit))
        flips = torch.stack([(changed >> place) & 1 for place in range(32)]).double().mean(dim=1)
        assert flips.min() > 0.4
        assert flips.max() < 0.6


def mask(layer: Dropout, shape=(6, 5, 7, 9)) -> torch.Tensor:
    return layer(torch.ones(shape)) != 0


def of_step(seed: int, epoch: int, step: int, number: int, share: float = 0.5) -> Dropout:
    layer = Dropout(share, number).train()
    use_masks(layer, seed, epoch, step)
    return layer


def test_masks_follow_from_seed_epoch_step_and_layer():
    first = mask(of_step(1, 2, 3, 4))
    assert torch.equal(first, mask(of_step(1, 2, 3, 4)))
    others = [(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0), (2, 1, 3, 4), (1, 3, 2, 4), (1, 2, 4, 3)]
    for other in others:
        share = (mask(of_step(*other)) == first).double().mean().item()
        assert share == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(first.numel()))


def test_keys_of_many_steps_differ():
    keys = {key(7, torch.tensor(epoch), torch.tensor(step)).item() for epoch in range(20) for step in range(400)}
    assert len(keys) > 7990  # a collision of 8000 among 2^32 is rare; a pattern would make many


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_and_the_scale_are_right(share):
    output = of_step(3, 1, 4, 1, share)(torch.full((64, 16, 16, 16), 2.0))
    count = output.numel()
    zeros = (output == 0).double().mean().item()
    assert zeros == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / count))
    assert output[output != 0].unique().tolist() == pytest.approx([2 / (1 - share)])
    # Also of every image, channel and place by itself.
    for axis in range(4):
        others = [other for other in range(4) if other != axis]
        parts = (output == 0).double().mean(dim=others)
        spread = math.sqrt(share * (1 - share) / (count / len(parts)))
        assert (parts - share).abs().max() < 5 * spread


def test_masks_are_the_same_in_every_layout_and_precision():
    layer = of_step(1, 2, 3, 4)
    activations = torch.randn(6, 5, 7, 9, generator=torch.Generator().manual_seed(0))
    expected = layer(activations)
    other = layer(activations.contiguous(memory_format=torch.channels_last))
    assert torch.equal(other, expected)
    assert other.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(layer(activations.bfloat16()) != 0, expected != 0)
    assert layer(activations.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(layer(activations.double()) != 0, expected != 0)


def test_gradients_agree_with_pytorchs_of_the_same_mask():
    layer = of_step(1, 2, 3, 4, 0.3)
    inputs = torch.randn(6, 5, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = mask(layer).double()
    found, expected = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    (layer(found) ** 3).sum().backward()
    ((expected * kept / 0.7) ** 3).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(layer, (inputs[:1, :2, :3, :3].clone().requires_grad_(),))


def test_evaluation_is_the_identity():
    activations = torch.randn(2, 3, 4, 4)
    assert of_step(0, 0, 0, 0).eval()(activations) is activations


def test_a_network_has_the_masks_of_its_first_step_until_told_otherwise():
    recipe = Recipe(depth=14, dropout=0.5)
    network = ResidualNetwork(recipe, 10, seed=3)
    layers = [module for module in network.modules() if isinstance(module, Dropout)]
    assert [layer.number for layer in layers] == list(range(6))
    start = torch.zeros((), dtype=torch.int64)
    assert all(layer.key == key(3, start, start) for layer in layers)
    assert len({tuple(mask(layer).flatten().tolist()) for layer in layers}) == 6
    images = torch.randn(4, 3, 8, 8)
    first = network.train()(images)
    use_masks(network, 3, 0, 1)
    assert not torch.equal(network(images), first)
    use_masks(network, 3, 0, 0)
    assert torch.equal(network(images), first)
    assert not torch.equal(
        mask(layers[0]), mask(next(m for m in ResidualNetwork(recipe, 10, 4).modules() if isinstance(m, Dropout)))
    )


def test_a_recipe_without_dropout_has_no_such_layer():
    assert not any(isinstance(module, dropout.Dropout) for module in ResidualNetwork(Recipe(depth=8), 10, 0).modules())


def test_evaluation_of_a_network_is_unaffected():
    images = torch.randn(4, 3, 8, 8)
    with_it, without = (ResidualNetwork(Recipe(depth=8, dropout=share), 10, 0).eval() for share in (0.7, 0.0))
    assert torch.equal(with_it(images), without(images))
