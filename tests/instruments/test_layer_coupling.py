"""The coupling of layers against gradients by hand."""

import pytest
import torch
from torch import nn

from repro.instruments.layer_coupling import layer_coupling


def test_a_linear_network_of_two_layers_by_hand():
    """L = |W2 W1 x - y|^2 / 2: G1 = W2' r x', G2 = r (W1 x)' with r = W2 W1 x - y."""
    generator = torch.Generator().manual_seed(0)
    first, second, x, y = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((4, 3), (2, 4), (3, 1), (2, 1))
    )
    rate = 0.05

    def gradients(one: torch.Tensor, two: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        residual = two @ one @ x - y
        return two.T @ residual @ x.T, residual @ (one @ x).T

    g1, g2 = gradients(first, second)
    expected = torch.empty(2, 2, dtype=torch.float64)
    for j, (one, two) in enumerate(((first - rate * g1, second), (first, second - rate * g2))):
        for i, (new, old) in enumerate(zip(gradients(one, two), (g1, g2), strict=True)):
            expected[i, j] = (new - old).norm() / old.norm()

    weights = [nn.Parameter(first.clone()), nn.Parameter(second.clone())]
    found = layer_coupling(lambda: ((weights[1] @ weights[0] @ x - y) ** 2).sum() / 2, weights, rate)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert torch.equal(weights[0].detach(), first)
    assert torch.equal(weights[1].detach(), second)


def test_layers_that_do_not_meet_are_not_coupled():
    one, two = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([3.0]))
    found = layer_coupling(lambda: (one**2).sum() + (two**4).sum(), [one, two], 0.1)
    assert found[0, 1] == found[1, 0] == 0
    # The gradient of |w|^2 is proportional to w, which becomes 1 - 2 rate times itself.
    assert found[0, 0].item() == pytest.approx(0.2, rel=1e-6)


def test_a_gradient_of_zero_has_no_relative_change():
    one, two = nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([0.0]))
    found = layer_coupling(lambda: (one * two).sum() ** 2, [one, two], 0.1)
    assert found.isnan().all()
