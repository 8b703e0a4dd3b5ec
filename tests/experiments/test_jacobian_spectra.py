"""The Jacobian's spectrum with depth: against the dense Jacobian of a small network, and verdicts both ways."""

import numpy as np
import pandas as pd
import pytest
import torch

from repro import datasets
from repro.experiments import jacobian_spectra
from repro.experiments.initialisation import with_each_initialisation
from repro.jacobians import state_after, with_fixed_statistics
from tests.experiments.initialisation import configuration, judge_and_draw, use_small_images

NAME = "jacobian_spectra"
SETTINGS = {"seeds": 2, "steps": 24, "probes": 4, "initialisations": ["xavier_normal", "pytorch_default"]}


@pytest.fixture(scope="module")
def settings():
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_images(monkeypatch)
        yield configuration(NAME, **SETTINGS)


@pytest.fixture(scope="module")
def table(settings):
    return jacobian_spectra.measure(settings)


def test_the_quadrature_agrees_with_the_dense_jacobian(settings, table):
    networks = jacobian_spectra.per_network(table).set_index(["initialisation", "normalisation", "seed", "layer"])
    assert set(networks.index.get_level_values("layer")) == {1, 3, 5, 7, 8}
    for name, subject in with_each_initialisation(settings, ["xavier_normal", "pytorch_default"], 1):
        fixed = with_fixed_statistics(subject.network, subject.images)
        image = subject.images[0].double()
        for layer in (1, 7, 8):
            dense = torch.autograd.functional.jacobian(
                lambda x, layer=layer, fixed=fixed: state_after(fixed, x[None], layer).flatten(), image
            )
            values = np.linalg.svd(dense.flatten(1).numpy(), compute_uv=False)
            row = networks.loc[(name, subject.normalisation, subject.seed, layer)]
            assert row["dimension"] == len(values)
            assert row["largest"] == pytest.approx(values[0], rel=1e-4)
            assert row["smallest"] >= values[-1] * (1 - 1e-8)
            if layer == 8:  # as many Lanczos steps as logits
                assert row["smallest"] == pytest.approx(values[-1], rel=1e-6)
            shares = values**2 / np.sum(values**2)
            rank = np.exp(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
            assert row["effective_rank"] == pytest.approx(rank, abs=5 * row["rank_error"] + 0.02 * rank)
            assert row["root_mean_square"] == pytest.approx(np.sqrt(np.mean(values**2)), rel=0.15)


def test_activations_are_those_of_figure_5(settings, table):
    for _, subject in with_each_initialisation(settings, ["pytorch_default"], 1):
        outputs = []
        handle = subject.network.layer(5).register_forward_hook(lambda _, __, output, kept=outputs: kept.append(output))
        subject.network(subject.images)
        handle.remove()
        expected = outputs[0].detach().double().numpy().std(axis=(0, 2, 3))
        rows = table[(table["initialisation"] == "pytorch_default") & (table["layer"] == 5) & (table["seed"] == 0)]
        row = rows[rows["normalisation"] == subject.normalisation].iloc[0]
        assert row["log_std"] == pytest.approx(np.log(expected).mean())


def test_the_table_is_summarised_drawn_and_judged(table, tmp_path):
    summary, verdicts = judge_and_draw(jacobian_spectra, table, tmp_path)
    assert len(summary) == 2 * 2 * 2
    assert set(verdicts["outcome"]) <= {"supported", "not supported"}


def synthetic(ranks: dict[tuple[str, int], int], growth: dict[str, float]) -> pd.DataFrame:
    """A table of flat spectra: `ranks` values alike and the others zero, scaled with the layer."""
    rows = []
    for (normalisation, layer), rank in ranks.items():
        for seed in (0, 1):
            dimension = 10 if layer == 8 else 100
            size = 10 ** (growth[normalisation] * layer)
            for probe in (0, 1):
                for value, weight in ((size, rank / dimension), (0.0, 1 - rank / dimension)):
                    cells = ("xavier_normal", normalisation, seed, layer, 0.0, dimension, probe, value, weight, 0.0)
                    rows.append(cells)
    return pd.DataFrame(rows, columns=list(jacobian_spectra.COLUMNS))


def test_a_flat_spectrum_has_its_rank():
    networks = jacobian_spectra.per_network(synthetic({("none", 1): 20, ("none", 8): 4}, {"none": 0.1}))
    expected = networks["layer"].map({1: 20, 8: 4}).to_numpy()
    assert len(expected) == 4
    assert networks["effective_rank"].to_numpy() == pytest.approx(expected, rel=1e-6)
    assert networks["stable_rank"].to_numpy() == pytest.approx(expected)


@pytest.mark.parametrize("better", [True, False])
def test_claims_are_judged_both_ways(better):
    few, many = (1, 8) if better else (8, 1)
    falling = {1: 90, 3: 40, 7: 10 * few} if better else {1: 10, 3: 40, 7: 10 * few}
    ranks = {("none", layer): rank for layer, rank in falling.items()} | {("none", 8): few}
    ranks |= {("batch", 1): 90, ("batch", 3): 80, ("batch", 7): 10 * many, ("batch", 8): many}
    table = synthetic(ranks, {"none": 0.5, "batch": 0.1} if better else {"none": 0.1, "batch": 0.5})
    expected = "supported" if better else "not supported"
    assert [claim.decide(table).outcome for claim in jacobian_spectra.CLAIMS] == [
        expected,
        expected,
        expected,
        expected,
    ]


def test_of_nine_states_each_so_many_th_is_examined_at_any_depth(monkeypatch):
    use_small_images(monkeypatch)
    for depth, every, expected in ((8, 1, [1, 3, 5, 7, 8]), (8, 4, [1, 5, 7, 8]), (8, 9, [1, 8])):
        settings = configuration(NAME, depth=depth, every=every, seeds=1, steps=2, initialisations=["xavier_normal"])
        assert sorted(set(jacobian_spectra.measure(settings)["layer"])) == expected


def test_initialisations_take_the_place_of_the_configured_one(monkeypatch):
    use_small_images(monkeypatch)
    settings = configuration(NAME)
    assert datasets.load(settings.data).class_names
    scales = {
        (name, subject.normalisation): subject.network.layer(7).weight.std().item()
        for name, subject in with_each_initialisation(settings, ["kaiming_normal", "pytorch_default"], 1)
    }
    fan_in = 64 * 9
    assert scales["kaiming_normal", "none"] == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)
    assert scales["pytorch_default", "batch"] == pytest.approx(np.sqrt(1 / (3 * fan_in)), rel=0.02)
