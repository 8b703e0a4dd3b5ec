"""Jacobians of toy networks: against automatic differentiation, and verdicts both ways."""

import numpy as np
import pandas as pd
import pytest
import torch

from repro import config
from repro.errors import UserError
from repro.experiments import product_analogy
from repro.random_matrices import condition_decades_per_factor
from tests.experiments.initialisation import judge_and_draw

WIDTH, DEPTH = 12, 4


def measure(**settings):
    return product_analogy.measure(config.validate({"name": "test", "experiments": {"product_analogy": settings}}))


@pytest.fixture(scope="module")
def table():
    return measure(width=60, draws=4, depths=[1, 2, 4, 8, 16, 24])


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


@pytest.mark.parametrize("kind", list(product_analogy.KINDS))
@pytest.mark.parametrize("initialisation", ["xavier_normal", "orthogonal"])
def test_factors_multiply_to_the_jacobian_of_automatic_differentiation(kind, initialisation):
    layers = list(product_analogy.jacobian_factors(kind, WIDTH, DEPTH, initialisation, np.random.default_rng(3)))
    product = np.eye(WIDTH)
    for _, factor in layers:
        product = factor @ product
    # The same generator, in the order in which it is drawn from.
    generator = np.random.default_rng(3)
    inputs = torch.from_numpy(generator.standard_normal((WIDTH, product_analogy.BATCH)))
    weights = [torch.from_numpy(product_analogy.weight_matrix(WIDTH, initialisation, generator)) for _ in range(DEPTH)]
    exact = torch.autograd.functional.jacobian(lambda x: forward(kind, weights, inputs, x), inputs[:, 0]).numpy()
    exact = exact[np.abs(exact).sum(axis=1) > 0] if "relu" in kind else exact
    np.testing.assert_allclose(product, exact, atol=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize("initialisation", ["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"])
def test_weights_have_the_initialisations_variance(initialisation):
    weights = product_analogy.weight_matrix(400, initialisation, np.random.default_rng(0))
    scale = {"xavier_normal": 1, "kaiming_normal": 2, "orthogonal": 1, "pytorch_default": 1 / 3}[initialisation]
    assert weights.var() * 400 == pytest.approx(scale, rel=0.02)
    if initialisation == "orthogonal":
        np.testing.assert_allclose(weights @ weights.T, np.eye(400), atol=1e-12)
        assert np.linalg.det(weights) == pytest.approx(1)


def test_the_linear_network_is_the_product(table):
    networks = product_analogy.per_network(table).query("kind == 'linear'")
    for initialisation in ("xavier_normal", "kaiming_normal", "pytorch_default"):
        own = networks[networks["initialisation"] == initialisation]
        rate, error = product_analogy.growth(own, "log10_condition")
        assert rate == pytest.approx(condition_decades_per_factor(60), abs=5 * error)
    orthogonal = networks.query("initialisation == 'orthogonal'")
    np.testing.assert_allclose(orthogonal["log10_condition"], 0, atol=1e-12)
    assert (networks["rank"] == 60).all()


def test_relu_halves_the_rank_and_shortcuts_keep_it(table):
    rank = product_analogy.per_network(table).groupby(["kind", "matrices"])["rank"].median() / 60
    assert 0.35 < rank["relu", 1] < 0.65
    assert rank["shortcut", 24] == 1
    assert (rank["relu"].diff().dropna() <= 0).all()


def test_the_table_is_summarised_drawn_and_judged(table, tmp_path):
    summary, verdicts = judge_and_draw(product_analogy, table, tmp_path)
    assert len(summary) == 5 * 4
    assert list(verdicts["outcome"]) == ["supported", "not supported", "not supported"]


def test_claims_are_judged_the_other_way(table):
    linear = table[table["kind"] == "linear"]
    alike = pd.concat([linear, linear.assign(kind="relu"), linear.assign(kind="shortcut_relu")])
    assert [claim.decide(alike).outcome for claim in product_analogy.CLAIMS] == ["supported"] * 3
    bent = table.assign(singular_value=np.sqrt(table["singular_value"]))
    assert product_analogy.CLAIMS[0].decide(bent).outcome == "not supported"
    shallow = table[table["matrices"] < 8]
    assert [claim.decide(shallow).outcome for claim in product_analogy.CLAIMS[1:]] == ["undecided"] * 2


def test_a_network_that_is_switched_off_altogether_is_refused():
    with pytest.raises(UserError, match=r"experiments\.product_analogy: a network of width 2 .* raise width"):
        measure(width=2, depths=[8], draws=20)
