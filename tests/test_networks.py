import itertools

import numpy as np
import pytest
import torch
from torch import nn

from repro import config
from repro.config import Network
from repro.errors import UserError
from repro.networks import BatchNorm2d, PaddedSubsampling, ResidualNetwork
from tests.oracles import networks as oracle

NAMES = ("batch", "none", "final")


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


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
    count = parameters(ResidualNetwork(Network(depth=depth, shortcut="A"), "batch", 10, 0))
    assert count == parameters_of_he(depth)
    assert round(count / 1e6, 1 if millions == 1.7 else 2) == millions


def test_option_b_adds_two_projections_with_their_normalisation():
    count_a, count_b = (
        parameters(ResidualNetwork(Network(depth=20, shortcut=shortcut), "batch", 10, 0)) for shortcut in "AB"
    )
    assert count_b - count_a == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_normalisation_only_adds_scale_and_shift():
    counts = {name: parameters(ResidualNetwork(Network(depth=14), name, 10, 0)) for name in ("none", "batch", "final")}
    assert counts["final"] - counts["none"] == 2 * 64
    # conv1, two convolutions in two blocks per stage, two projections
    assert counts["batch"] - counts["none"] == 2 * (16 + 4 * (16 + 32 + 64) + 32 + 64)


def test_layers_of_the_paper_have_its_channels_and_sizes():
    network = ResidualNetwork(Network(), "none", 10, 0)
    for layer in range(1, 110):
        convolution = network.layer(layer)
        assert isinstance(convolution, nn.Conv2d)
        stage = 0 if layer < 38 else 1 if layer < 74 else 2  # stages are layers 2-37, 38-73, 74-109
        assert convolution.out_channels == (16, 32, 64)[stage]
        assert convolution.kernel_size == (3, 3)
        assert convolution.stride == ((2, 2) if layer in (38, 74) else (1, 1))
        assert convolution.bias is None
    assert network.layer(110) is network.classifier
    assert network.layer(1) is network.convolution1
    # each convolution has one number, and only the two projections have none
    numbered = {id(network.layer(layer)) for layer in range(1, 110)}
    others = [m for m in network.modules() if isinstance(m, nn.Conv2d) and id(m) not in numbered]
    assert len(numbered) == 109
    assert [(m.kernel_size, m.stride, m.out_channels) for m in others] == [((1, 1), (2, 2), 32), ((1, 1), (2, 2), 64)]


@pytest.mark.parametrize("layer", [0, -1, 15])
def test_other_layer_numbers_are_refused(layer: int):
    with pytest.raises(IndexError, match=r"layers 1 to 14, not"):
        ResidualNetwork(Network(depth=14), "none", 10, 0).layer(layer)


@pytest.mark.parametrize("depth", [7, 2, 9, 109])
def test_depths_that_are_not_6n_plus_2_are_refused(depth: int):
    with pytest.raises(UserError, match=r"network.depth: must be 6n\+2"):
        config.validate({"name": "trial", "network": {"depth": depth}})


@pytest.mark.parametrize(("normalisation", "shortcut"), list(itertools.product(("batch", "none", "final"), ("A", "B"))))
def test_network_agrees_with_a_slow_reimplementation(normalisation, shortcut):
    network = ResidualNetwork(Network(depth=14, shortcut=shortcut), normalisation, 10, seed=3).double()
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found: dict[int, torch.Tensor] = {}
    for layer in range(1, 15):
        network.layer(layer).register_forward_hook(lambda _, __, output, layer=layer: found.update({layer: output}))
    with torch.no_grad():
        logits = network.train()(images)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    expected, outputs = oracle.logits(weights, images.numpy(), 14, normalisation, shortcut)
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-9, atol=1e-12)
    assert sorted(found) == sorted(outputs)
    for layer, output in outputs.items():
        np.testing.assert_allclose(found[layer].numpy(), output, rtol=1e-9, atol=1e-12, err_msg=f"layer {layer}")


def test_padded_subsampling_agrees_with_loops_also_for_odd_sizes():
    activations = torch.randn(2, 4, 7, 5, dtype=torch.float64)
    np.testing.assert_array_equal(
        PaddedSubsampling()(activations).numpy(), oracle.shortcut_a(activations.numpy(), channels=8)
    )


def test_running_statistics_are_used_at_test_time():
    network = ResidualNetwork(Network(depth=8), "batch", 10, 0)
    images = 3 + 2 * torch.randn(8, 3, 8, 8)
    network.train()(images)
    raw = network.convolution1(images).detach()
    mean = 0.9 * 0 + 0.1 * raw.mean(dim=(0, 2, 3))
    variance = 0.9 * 1 + 0.1 * raw.var(dim=(0, 2, 3), correction=1)
    expected = (raw - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(network.eval().normalisation1(raw), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_normalisation_is_pytorchs(training: bool, layout: torch.memory_format):
    images = torch.randn(8, 5, 6, 6, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    found = []
    for kind in (BatchNorm2d, nn.BatchNorm2d):
        layer = kind(5).train(training)
        with torch.no_grad():
            layer.weight.copy_(torch.linspace(0.5, 2, 5))
            layer.bias.copy_(torch.linspace(-1, 1, 5))
        inputs = images.clone(memory_format=torch.preserve_format).requires_grad_()
        output = layer(inputs)
        gradients = torch.autograd.grad((output**3).sum(), [inputs, layer.weight, layer.bias])
        found.append([output, *gradients, layer.running_mean, layer.running_var])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_same_seed_gives_the_same_weights_whatever_the_normalisation(shortcut):
    networks = {name: ResidualNetwork(Network(depth=14, shortcut=shortcut), name, 10, seed=7) for name in NAMES}
    convolutions = {
        name: [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for name, network in networks.items()
    }
    for name in ("batch", "final"):
        assert len(convolutions[name]) == len(convolutions["none"]) == 14 + 2 * (shortcut == "B")
        for weight, expected in zip(convolutions[name], convolutions["none"], strict=True):
            torch.testing.assert_close(weight, expected, rtol=0, atol=0)
        torch.testing.assert_close(networks[name].classifier.bias, networks["none"].classifier.bias, rtol=0, atol=0)
    other = ResidualNetwork(Network(depth=14, shortcut=shortcut), "none", 10, seed=8)
    assert not torch.equal(other.convolution1.weight, networks["none"].convolution1.weight)


def test_building_a_network_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ResidualNetwork(Network(depth=8), "none", 10, seed=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("initialisation", "variance"),
    [
        ("xavier_normal", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("kaiming_normal", lambda fan_in, fan_out: 2 / fan_in),
        ("pytorch_default", lambda fan_in, fan_out: 1 / (3 * fan_in)),
    ],
)
def test_initialisation_has_its_variance(initialisation, variance):
    network = ResidualNetwork(Network(depth=26, initialisation=initialisation), "none", 10, seed=0)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        out, channels_in, size, _ = convolution.weight.shape
        expected = variance(channels_in * size**2, out * size**2)
        weights = convolution.weight.detach().double()
        # the variance of n draws scatters by sqrt(2/n) of itself for a normal distribution; five times that
        assert weights.square().mean().item() == pytest.approx(expected, rel=5 * (2 / weights.numel()) ** 0.5)
        assert abs(weights.mean().item()) < 5 * (expected / weights.numel()) ** 0.5
    uniform = initialisation == "pytorch_default"
    standardised = torch.cat([(c.weight / c.weight.std()).flatten() for c in convolutions[3:]])
    assert standardised.pow(4).mean().item() == pytest.approx(1.8 if uniform else 3, rel=0.05)


def test_orthogonal_initialisation_has_orthonormal_rows():
    weight = ResidualNetwork(Network(depth=8, initialisation="orthogonal"), "none", 10, 0).layer(3).weight.flatten(1)
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("initialisation", ["xavier_normal", "kaiming_normal", "orthogonal"])
def test_biases_exist_on_request_and_start_at_zero(initialisation):
    settings = Network(depth=8, convolution_bias=True, initialisation=initialisation)
    for module in ResidualNetwork(settings, "none", 10, 0).modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            assert module.bias.count_nonzero() == 0


def test_final_normalises_the_output_of_the_last_block_alone():
    network = ResidualNetwork(Network(depth=8), "final", 10, 0).train()
    seen = []
    network.final_normalisation.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    network(torch.randn(4, 3, 8, 8))
    before, after = seen[0]
    assert before.min() >= 0  # the block's last ReLU comes before
    torch.testing.assert_close(after.mean(dim=(0, 2, 3)), torch.zeros(64), atol=1e-5, rtol=0)
    assert [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == [network.final_normalisation]
