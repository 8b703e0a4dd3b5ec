import time

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.utils import parametrize

from repro.machine.errors import UserError
from repro.networks.residual import PaddedSubsampling, ResidualNetwork
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.settings.types import kinds
from tests.oracles import networks as oracle

NONE = {"normalisation": "none"}
PLACES = ("everywhere", "after_activation", "final")
# Without normalisation, and with it in each place.
NORMALISATIONS = [NONE, *({"place": place} for place in PLACES)]


def network(seed: int = 0, **recipe) -> ResidualNetwork:
    return ResidualNetwork(Recipe(**recipe), 10, seed)


def parameters(network_: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network_.parameters())


def parameters_of_he(depth: int) -> int:
    """Counted by hand for option A: 3x3 kernels, two BN parameters per channel, and the classifier."""
    n = (depth - 2) // 6
    total = 3 * 16 * 9 + 2 * 16
    for channels, channels_in in ((16, 16), (32, 16), (64, 32)):
        first = channels_in * channels * 9
        total += first + (2 * n - 1) * channels * channels * 9 + 2 * n * 2 * channels
    return total + 64 * 10 + 10


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameter_counts_of_option_a_are_those_of_he_et_al(depth: int, millions: float):
    count = parameters(network(depth=depth, shortcut="A"))
    assert count == parameters_of_he(depth)
    assert round(count / 1e6, 1 if millions == 1.7 else 2) == millions


def test_option_b_adds_two_projections_with_their_normalisation():
    count_a, count_b = (parameters(network(depth=20, shortcut=shortcut)) for shortcut in "AB")
    assert count_b - count_a == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_a_plain_network_has_the_parameters_of_option_a_and_adds_nothing():
    plain = network(depth=14, shortcut="none", **NONE)
    assert parameters(plain) == parameters(network(depth=14, shortcut="A", **NONE))
    with torch.no_grad():
        for block in plain.blocks:
            block.convolution2.weight.zero_()
    assert not plain.blocks[0](torch.randn(2, 16, 8, 8)).any()


def test_normalisation_only_adds_scale_and_shift():
    none, batch, after, final = (parameters(network(depth=14, **each)) for each in NORMALISATIONS)
    assert final - none == 2 * 64
    # conv1, two convolutions in two blocks per stage, two projections
    assert batch - none == 2 * (16 + 4 * (16 + 32 + 64) + 32 + 64)
    # The first activation, and two in each of two blocks per stage.
    assert after - none == 2 * (16 + 4 * (16 + 32 + 64))


def test_layers_of_the_paper_have_its_channels_and_sizes():
    papers = network(**NONE)
    for layer in range(1, 110):
        convolution = papers.layer(layer)
        assert isinstance(convolution, nn.Conv2d)
        stage = 0 if layer < 38 else 1 if layer < 74 else 2  # stages are layers 2-37, 38-73, 74-109
        assert convolution.out_channels == (16, 32, 64)[stage]
        assert convolution.kernel_size == (3, 3)
        assert convolution.stride == ((2, 2) if layer in (38, 74) else (1, 1))
        assert convolution.bias is None
    assert papers.layer(110) is papers.classifier
    assert papers.layer(1) is papers.convolution1
    # each convolution has one number, and only the two projections have none
    numbered = {id(papers.layer(layer)) for layer in range(1, 110)}
    others = [m for m in papers.modules() if isinstance(m, nn.Conv2d) and id(m) not in numbered]
    assert len(numbered) == 109
    assert [(m.kernel_size, m.stride, m.out_channels) for m in others] == [((1, 1), (2, 2), 32), ((1, 1), (2, 2), 64)]


@pytest.mark.parametrize("layer", [0, -1, 15])
def test_other_layer_numbers_are_refused(layer: int):
    with pytest.raises(IndexError, match=r"layers 1 to 14, not"):
        network(depth=14, **NONE).layer(layer)


@pytest.mark.parametrize("depth", [7, 2, 9, 109])
def test_depths_that_are_not_6n_plus_2_are_refused(depth: int):
    with pytest.raises(UserError, match=r"recipe.depth: must be 6n\+2"):
        validate({"name": "trial", "recipe": {"depth": depth}})


def test_the_largest_depth_is_1202_and_a_larger_one_is_refused_at_once():
    deepest = network(depth=1202, **NONE)
    assert len(deepest.blocks) == 600
    assert isinstance(deepest.layer(1201), nn.Conv2d)
    start = time.monotonic()
    for depth in (1208, 999999998):
        with pytest.raises(UserError, match=r"recipe.depth: must be at most 1202"):
            validate({"name": "trial", "recipe": {"depth": depth}})
        with pytest.raises(ValidationError, match="must be at most 1202"):
            Recipe(depth=depth)
    assert time.monotonic() - start < 5


def agrees_with_the_slow_one(recipe: Recipe, kept: dict[int, np.ndarray] | None = None) -> None:
    made = ResidualNetwork(recipe, 10, seed=3).double()
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found: dict[int, torch.Tensor] = {}
    for layer in range(1, 15):
        made.layer(layer).register_forward_hook(lambda _, __, output, layer=layer: found.update({layer: output}))
    with torch.no_grad():
        logits = made.train()(images)
    weights = {name: value.numpy() for name, value in made.state_dict().items()}
    expected, outputs = oracle.logits(
        weights, images.numpy(), 14, recipe.normalisation, recipe.shortcut, recipe.place, recipe.activation, kept
    )
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-9, atol=1e-12)
    assert sorted(found) == sorted(outputs)
    for layer, output in outputs.items():
        np.testing.assert_allclose(found[layer].numpy(), output, rtol=1e-9, atol=1e-12, err_msg=f"layer {layer}")


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_network_agrees_with_a_slow_reimplementation(normalisation, shortcut):
    agrees_with_the_slow_one(Recipe(depth=14, shortcut=shortcut, **normalisation))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_other_activations_agree_with_a_slow_reimplementation(activation, normalisation):
    agrees_with_the_slow_one(Recipe(depth=14, activation=activation, **normalisation))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_dropout_stands_before_a_blocks_second_convolution(normalisation):
    recipe = Recipe(depth=14, dropout=0.4, **normalisation)
    kept = {}
    for number, block in enumerate(ResidualNetwork(recipe, 10, seed=3).blocks):
        size = (8, 4, 2)[number // 2]
        ones = torch.ones(3, (16, 32, 64)[number // 2], size, size, dtype=torch.float64)
        kept[number] = block.dropout.train()(ones).numpy()
    agrees_with_the_slow_one(recipe, kept)


def test_padded_subsampling_agrees_with_loops_also_for_odd_sizes():
    activations = torch.randn(2, 4, 7, 5, dtype=torch.float64)
    np.testing.assert_array_equal(
        PaddedSubsampling()(activations).numpy(), oracle.shortcut_a(activations.numpy(), channels=8)
    )


def test_running_statistics_are_used_at_test_time():
    made = network(depth=8)
    images = 3 + 2 * torch.randn(8, 3, 8, 8)
    made.train()(images)
    raw = made.convolution1(images).detach()
    mean = 0.9 * 0 + 0.1 * raw.mean(dim=(0, 2, 3))
    variance = 0.9 * 1 + 0.1 * raw.var(dim=(0, 2, 3), correction=1)
    expected = (raw - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(made.eval().normalisation1(raw), expected)


def weights(made: ResidualNetwork) -> list[torch.Tensor]:
    """Before a normalisation of kernels makes something else of them."""
    layers = [module for module in made.modules() if isinstance(module, nn.Conv2d)]
    raw = [
        layer.parametrizations.weight.original if parametrize.is_parametrized(layer) else layer.weight
        for layer in layers
    ]
    return [*raw, made.classifier.weight, made.classifier.bias]


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_same_seed_gives_the_same_weights_whatever_else_the_recipe_says(shortcut):
    base = {"depth": 14, "shortcut": shortcut}
    expected = weights(network(seed=7, **base, **NONE))
    variations = [
        {"normalisation": kind} for kind in kinds("normalisation") if (kind, shortcut) != ("skip_init", "none")
    ]
    variations += [{"place": place} for place in PLACES] + [{"activation": "tanh"}, {"dropout": 0.5}]
    for variation in variations:
        found = weights(network(seed=7, **base, **variation))
        assert len(found) == len(expected) == 15 + 2 * (shortcut == "B")
        assert all(torch.equal(weight, other) for weight, other in zip(found, expected, strict=True))
    assert not torch.equal(network(seed=8, **base, **NONE).convolution1.weight, expected[0])


def test_building_a_network_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    network(depth=8, seed=1, dropout=0.5)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_no_convolution_has_a_bias():
    for initialisation in kinds("initialisation"):
        for module in network(depth=8, initialisation=initialisation, **NONE).modules():
            if isinstance(module, nn.Conv2d):
                assert module.bias is None


def test_final_normalises_the_output_of_the_last_block_alone():
    made = network(depth=8, place="final").train()
    seen = []
    made.final_normalisation.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    made(torch.randn(4, 3, 8, 8))
    before, after = seen[0]
    assert before.min() >= 0  # the block's last ReLU comes before
    torch.testing.assert_close(after.mean(dim=(0, 2, 3)), torch.zeros(64), atol=1e-5, rtol=0)
    assert [m for m in made.modules() if isinstance(m, nn.BatchNorm2d)] == [made.final_normalisation]


def test_after_activation_hands_on_normalised_activations():
    made = network(depth=8, place="after_activation").train()
    seen = [made.stem(torch.randn(8, 3, 8, 8))]
    for block in made.blocks:
        seen.append(block(seen[-1]))
    for activations in seen:
        torch.testing.assert_close(
            activations.mean(dim=(0, 2, 3)), torch.zeros(activations.shape[1]), atol=1e-5, rtol=0
        )
        assert activations.min() < 0


def test_a_place_without_a_normalisation_is_refused():
    with pytest.raises(ValidationError, match="there is no normalisation to place"):
        Recipe(normalisation="none", place="final")


def test_the_classifier_keeps_its_precision_under_autocast():
    made = network(depth=8).train()
    images = torch.randn(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = made(images)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
