"""Jacobians of toy networks: against automatic differentiation."""

import numpy as np
import pytest
import torch

from repro.experiments.product_analogy import measure
from repro.experiments.product_analogy.settings import COLUMNS, KINDS, Settings
from repro.machine.errors import UserError

WIDTH, DEPTH = 12, 4


def forward(kind: str, weights: list[torch.Tensor], inputs: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """The network's state for one input, batch normalisation with the statistics of `inputs`; both advance together."""
    h, batch = first, inputs
    pieces = iter(weights)
    for w in pieces:
        if kind == "linear":
            h, batch = w @ h, w @ batch
        elif kind == "relu":
            h, batch = torch.relu(w @ h), torch.relu(w @ batch)
        elif kind == "relu_batch":
            sums = w @ batch
            mean, spread = sums.mean(1), sums.std(1, correction=0)
            h = torch.relu((w @ h - mean) / spread)
            batch = torch.relu((sums - mean[:, None]) / spread[:, None])
        elif kind == "shortcut":
            h, batch = h + w @ h, batch + w @ batch
        else:
            v = next(pieces)
            h, batch = torch.relu(h + v @ torch.relu(w @ h)), torch.relu(batch + v @ torch.relu(w @ batch))
    return h


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("initialisation", ["xavier_normal", "orthogonal"])
def test_factors_multiply_to_the_jacobian_of_automatic_differentiation(kind, initialisation):
    layers = list(measure.jacobian_factors(kind, WIDTH, DEPTH, initialisation, np.random.default_rng(3)))
    product = np.eye(WIDTH)
    for _, factor in layers:
        product = factor @ product
    # The same generator, in the order in which it is drawn from.
    generator = np.random.default_rng(3)
    inputs = torch.from_numpy(generator.standard_normal((WIDTH, measure.BATCH)))
    weights = [torch.from_numpy(measure.weight_matrix(WIDTH, initialisation, generator)) for _ in range(DEPTH)]
    exact = torch.autograd.functional.jacobian(lambda x: forward(kind, weights, inputs, x), inputs[:, 0]).numpy()
    exact = exact[np.abs(exact).sum(axis=1) > 0] if "relu" in kind else exact
    np.testing.assert_allclose(product, exact, atol=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize("initialisation", ["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"])
def test_weights_have_the_initialisations_variance(initialisation):
    weights = measure.weight_matrix(400, initialisation, np.random.default_rng(0))
    scale = {"xavier_normal": 1, "kaiming_normal": 2, "orthogonal": 1, "pytorch_default": 1 / 3}[initialisation]
    assert weights.var() * 400 == pytest.approx(scale, rel=0.02)
    if initialisation == "orthogonal":
        np.testing.assert_allclose(weights @ weights.T, np.eye(400), atol=1e-12)
        assert np.linalg.det(weights) == pytest.approx(1)


def test_networks_of_all_kinds_and_initialisations_are_in_the_table(table):
    assert list(table.columns) == list(COLUMNS)
    pairs = table[["kind", "initialisation"]].drop_duplicates()
    assert len(pairs) == len(KINDS) * 4
    assert set(measure.LAYERS) == set(KINDS)
    # A block with a shortcut and ReLU passes two matrices.
    assert set(table.loc[table["kind"] == "shortcut_relu", "matrices"]) == {2, 4, 8, 16, 24}


def test_a_network_that_is_switched_off_altogether_is_refused():
    with pytest.raises(UserError, match=r"experiments\.product_analogy: a network of width 2 .* raise width"):
        measure.measure(Settings(width=2, depths=[8], draws=20))
