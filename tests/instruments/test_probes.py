import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.instruments import probes
from repro.networks.normalisation.weight_standardisation import StandardisedKernel
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from tests.oracles import gradients as oracle
from tests.oracles import networks

DEPTH = 8
NONE = {"normalisation": "none"}


def tiny(**recipe: str) -> tuple[ResidualNetwork, Tensor, Tensor]:
    """A network in double precision, and four 8 x 8 images with labels."""
    generator = torch.Generator().manual_seed(2)
    network = ResidualNetwork(Recipe(depth=DEPTH, **recipe), 4, seed=1).double().train()
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=generator)
    return network, images, torch.tensor([0, 3, 1, 1])


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean of -ln softmax, image by image."""
    losses = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        losses.append(np.log(np.exp(row).sum()) - row[label])
    return float(np.mean(losses))


@pytest.mark.parametrize("recipe", [{}, NONE, {"place": "final"}, {"place": "after_activation"}])
def test_layer_outputs_are_those_of_the_reimplementation(recipe):
    network, images, _ = tiny(**recipe)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    normalisation, place = recipe.get("normalisation", "batch"), recipe.get("place", "everywhere")
    _, expected = networks.logits(weights, images.numpy(), DEPTH, normalisation, "B", place)
    found = probes.layer_outputs(network, images, [5, 1, DEPTH])
    assert sorted(found) == [1, 5, DEPTH]
    for layer, output in found.items():
        assert not output.requires_grad
        np.testing.assert_allclose(output.numpy(), expected[layer], rtol=1e-9, atol=1e-12)
    sums = probes.reduce_outputs(network, images, range(1, DEPTH + 1), lambda output: output.sum().item())
    assert sums == pytest.approx({layer: output.sum() for layer, output in expected.items()}, rel=1e-8, abs=1e-8)
    assert hooks(network) == 0


@pytest.mark.parametrize("recipe", [{}, NONE])
def test_output_gradients_agree_with_finite_differences(recipe):
    network, images, labels = tiny(**recipe)
    layers = [1, 3, 4, 7, DEPTH]
    loss, records = probes.capture_gradients(network, images, labels, layers)
    assert loss == pytest.approx(cross_entropy(network(images).detach(), labels), rel=1e-12)
    generator = np.random.default_rng(0)

    def loss_after(layer: int, place: tuple[int, ...], change: float) -> float:
        def nudge(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
            changed = output.clone()
            changed[place] += change
            return changed

        handle = network.layer(layer).register_forward_hook(nudge)
        with torch.no_grad():
            logits = network(images)
        handle.remove()
        return cross_entropy(logits, labels)

    for layer in layers:
        gradient = records[layer].output_gradient
        assert gradient.shape == records[layer].output.shape
        for _ in range(6):
            place = tuple(int(generator.integers(size)) for size in gradient.shape)
            step = 1e-6
            slope = (loss_after(layer, place, step) - loss_after(layer, place, -step)) / (2 * step)
            assert gradient[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_the_classifiers_gradient_is_softmax_minus_one_hot():
    network, images, labels = tiny()
    _, records = probes.capture_gradients(network, images, labels, [DEPTH])
    logits = network(images).detach().numpy()
    for b in range(4):
        softmax = np.exp(logits[b]) / np.exp(logits[b]).sum()
        for j in range(4):
            expected = (softmax[j] - (labels[b].item() == j)) / 4
            assert records[DEPTH].output_gradient[b, j].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("recipe", [{}, NONE, {"place": "after_activation"}])
@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_kernel_gradients_agree_with_autograd_at_every_convolution(recipe, shortcut):
    network, images, labels = tiny(shortcut=shortcut, **recipe)
    _, records = probes.capture_gradients(network, images, labels, range(1, DEPTH))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert hooks(network) == 0
    nn.functional.cross_entropy(network(images), labels).backward()
    for layer, record in records.items():
        convolution = network.layer(layer)
        found = probes.kernel_gradient(convolution, record.input, record.output_gradient)
        torch.testing.assert_close(found, convolution.weight.grad, rtol=1e-9, atol=1e-14)


def test_kernel_gradients_are_those_of_the_kernel_that_a_standardised_convolution_applies():
    network, images, labels = tiny(normalisation="weight_standardisation")
    _, records = probes.capture_gradients(network, images, labels, range(1, DEPTH))
    nn.functional.cross_entropy(network(images), labels).backward()
    for layer, record in records.items():
        weights = network.layer(layer).parametrizations.weight.original
        found = probes.kernel_gradient(network.layer(layer), record.input, record.output_gradient)
        (pulled,) = torch.autograd.grad(StandardisedKernel()(weights), weights, found)
        torch.testing.assert_close(pulled, weights.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "stride", "padding", "height", "width"),
    [(3, 1, 1, 5, 4), (3, 2, 1, 6, 6), (3, 2, 1, 7, 5), (3, 1, 0, 5, 4), (1, 2, 0, 6, 5), (3, 2, 2, 4, 5)],
)
def test_kernel_gradient_agrees_with_loops(size, stride, padding, height, width):
    generator = torch.Generator().manual_seed(size + 10 * stride + padding)
    convolution = nn.Conv2d(2, 3, size, stride, padding, bias=False)
    inputs = torch.randn(2, 2, height, width, generator=generator)
    gradient = torch.randn(*convolution(inputs).shape, generator=generator)
    found = probes.kernel_gradient(convolution, inputs, gradient)
    expected = oracle.kernel_gradient(
        inputs.double().numpy(), gradient.double().numpy(), tuple(convolution.weight.shape), stride, padding
    )
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_kernel_gradient_of_a_classifier_is_refused():
    with pytest.raises(TypeError, match="needs a convolution, not Linear"):
        probes.kernel_gradient(nn.Linear(2, 2), torch.ones(1, 2), torch.ones(1, 2))


def test_hooks_are_removed_when_the_pass_fails():
    network, images, labels = tiny(**NONE)
    for broken in (lambda: probes.layer_outputs(network, images[:, :2], [3]),
                   lambda: probes.capture_gradients(network, images[:, :2], labels, [3])):  # fmt: skip
        with pytest.raises(RuntimeError):
            broken()
        assert hooks(network) == 0
