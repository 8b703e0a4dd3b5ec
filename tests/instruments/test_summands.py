import itertools

import numpy as np
import pytest
import torch
from torch import nn

from repro.instruments.probes import LayerRecord
from repro.instruments.summands import entry_sizes
from tests.oracles import gradients as oracle


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 2, 0)])
def test_each_entry_agrees_with_explicit_loops(size, stride, padding):
    generator = torch.Generator().manual_seed(size + stride)
    convolution = nn.Conv2d(2, 3, size, stride, padding, bias=False)
    inputs = torch.randn(2, 2, 5, 6, generator=generator)
    output = convolution(inputs).detach()
    record = LayerRecord(inputs, output, torch.randn(*output.shape, generator=generator))
    count, absolute, signed = entry_sizes(convolution, record)
    assert absolute.dtype == signed.dtype == torch.float64
    for entry in itertools.product(*map(range, (3, 2, size, size))):
        d = oracle.summands(inputs.double().numpy(), record.output_gradient.double().numpy(), entry, stride, padding)
        assert count == len(d)
        assert absolute[entry].item() == pytest.approx(np.sum(np.abs(d)), rel=1e-12)
        assert signed[entry].item() == pytest.approx(abs(sum(d)), rel=1e-9)
