import pytest
import torch
from torch import nn

from repro.networks import normalisation
from repro.networks.normalisation.batch import BatchNormalisation
from repro.settings.types import kinds


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_normalisation_is_pytorchs(training: bool, layout: torch.memory_format):
    images = torch.randn(8, 5, 6, 6, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    found = []
    for kind in (BatchNormalisation, nn.BatchNorm2d):
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


def test_no_normalisation_is_the_identity():
    activations = torch.randn(2, 5, 3, 3)
    assert torch.equal(normalisation.layer("none", 5)(activations), activations)
    assert not list(normalisation.layer("none", 5).parameters())


@pytest.mark.parametrize("kind", kinds("normalisation"))
def test_every_kind_draws_nothing_and_keeps_the_shape(kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    layer = normalisation.layer(kind, 16)
    assert torch.equal(torch.rand(3), expected)
    for training in (True, False):
        assert layer.train(training)(torch.randn(4, 16, 3, 5)).shape == (4, 16, 3, 5)


@pytest.mark.parametrize("kind", kinds("normalisation"))
def test_evaluation_of_every_kind_changes_no_buffer(kind):
    layer = normalisation.layer(kind, 16)
    layer.train()(torch.randn(4, 16, 3, 3))
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    layer.eval()(torch.randn(4, 16, 3, 3))
    assert all(torch.equal(buffer, before[name]) for name, buffer in layer.named_buffers())
