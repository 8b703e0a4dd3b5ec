"""Toy networks beside products of matrices: rates against theory, summary and figure."""

import numpy as np
import pytest

from repro.experiments.product_analogy import show
from repro.experiments.product_analogy.measure import measure
from repro.experiments.product_analogy.settings import Settings
from repro.random_matrices import condition_decades_per_factor
from tests.experiments.tables import show_and_judge


def test_the_linear_network_is_the_product(table):
    networks = show.per_network(table).query("kind == 'linear'")
    for initialisation in ("xavier_normal", "kaiming_normal", "pytorch_default"):
        own = networks[networks["initialisation"] == initialisation]
        rate, error = show.growth(own, "log10_condition")
        assert rate == pytest.approx(condition_decades_per_factor(60), abs=5 * error)
    orthogonal = networks.query("initialisation == 'orthogonal'")
    np.testing.assert_allclose(orthogonal["log10_condition"], 0, atol=1e-12)
    assert (networks["rank"] == 60).all()


def test_relu_halves_the_rank_and_shortcuts_keep_it(table):
    rank = show.per_network(table).groupby(["kind", "matrices"])["rank"].median() / 60
    assert 0.35 < rank["relu", 1] < 0.65
    assert rank["shortcut", 24] == 1
    assert (rank["relu"].diff().dropna() <= 0).all()


def test_the_table_is_summarised_drawn_and_judged(table, tmp_path):
    summary, verdicts = show_and_judge("product_analogy", table, tmp_path)
    assert len(summary) == 5 * 4
    assert list(verdicts["verdict"]) == ["undecided"] * 3  # from four draws


def test_a_single_network_is_shown(tmp_path):
    shallow = measure(Settings(width=8, draws=1, depths=[1], initialisations=["orthogonal"]))
    summary, verdicts = show_and_judge("product_analogy", shallow, tmp_path)
    assert list(summary["network"]) == ["linear", "ReLU", "ReLU and BN", "shortcuts"]
    assert set(verdicts["verdict"]) == {"undecided"}
