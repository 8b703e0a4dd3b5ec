"""The Jacobian's spectrum with depth: against the dense Jacobian of a small network."""

import dataclasses

import numpy as np
import pytest
import torch

from repro.experiments.jacobian_spectra import measure
from repro.experiments.jacobian_spectra.settings import COLUMNS, Settings
from repro.experiments.jacobian_spectra.show import per_network
from repro.instruments.jacobians import state_after, with_fixed_statistics
from repro.settings.recipe import Recipe, name, vary
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import measured


def snapshot(noise, initialisation: str, normalisation: str, seed: int = 0, **recipe) -> Snapshot:
    recipe = {"depth": 8, "batch_size": 8} | recipe
    recipe = Recipe(initialisation=initialisation, normalisation=normalisation, **recipe)
    return untrained(recipe, seed, noise, name=f"{normalisation}-{initialisation}")


@pytest.fixture(scope="module")
def snapshots(noise):
    return [
        snapshot(noise, initialisation, normalisation)
        for initialisation in ("xavier_normal", "pytorch_default")
        for normalisation in ("batch", "none")
    ]


@pytest.fixture(scope="module")
def table(snapshots):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(measure, "PROBES", 4)
        yield measured(measure.measure, Settings(steps=24), snapshots)


def test_the_quadrature_agrees_with_the_dense_jacobian(snapshots, table):
    networks = per_network(table).set_index(["recipe", "seed", "layer"])
    assert set(networks.index.get_level_values("layer")) == {1, 3, 5, 7, 8}
    for subject in snapshots:
        images, _ = subject.mini_batch()
        fixed = with_fixed_statistics(subject.network, images)
        for layer in (1, 7, 8):
            dense = torch.func.jacrev(
                lambda x, layer=layer, fixed=fixed: state_after(fixed, x[None], layer).flatten(), chunk_size=64
            )(images[0].double())
            values = np.linalg.svd(dense.flatten(1).numpy(), compute_uv=False)
            row = networks.loc[(subject.name, subject.seed, layer)]
            assert row["initialisation"] == subject.recipe.initialisation
            assert row["logits"] == (layer == 8)
            assert row["dimension"] == len(values)
            assert row["largest"] == pytest.approx(values[0], rel=1e-4)
            assert row["smallest"] >= values[-1] * (1 - 1e-8)
            if layer == 8:  # as many Lanczos steps as logits
                assert row["smallest"] == pytest.approx(values[-1], rel=1e-6)
            shares = values**2 / np.sum(values**2)
            rank = np.exp(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
            assert row["effective_rank"] == pytest.approx(rank, abs=5 * row["rank_error"] + 0.02 * rank)
            assert row["root_mean_square"] == pytest.approx(np.sqrt(np.mean(values**2)), rel=0.15)


def test_activations_are_those_of_figure_5(snapshots, table):
    for subject in snapshots[2:]:
        outputs = []
        handle = subject.network.layer(5).register_forward_hook(lambda _, __, output, kept=outputs: kept.append(output))
        subject.network(subject.mini_batch()[0])
        handle.remove()
        expected = outputs[0].detach().double().numpy().std(axis=(0, 2, 3))
        row = table[(table["recipe"] == subject.name) & (table["layer"] == 5) & (table["seed"] == 0)].iloc[0]
        assert row["log_std"] == pytest.approx(np.log(expected).mean())


def test_of_nine_states_each_so_many_th_is_examined_at_any_depth(noise):
    for depth, every, expected in ((8, 1, [1, 3, 5, 7, 8]), (8, 4, [1, 5, 7, 8]), (8, 9, [1, 8])):
        subject = snapshot(noise, "xavier_normal", "batch", depth=depth)
        layers = measure.measure(subject, Settings(every=every, steps=2))["layer"]
        assert sorted(set(layers)) == expected


def test_a_trained_network_of_another_recipe_is_measured_as_it_is(noise):
    other = snapshot(noise, "kaiming_normal", "batch", seed=3, place="final", batch_size=16, dropout=0.2)
    with torch.no_grad():
        other.network.classifier.weight *= 3
    trained = dataclasses.replace(other, after=0.5)
    table = measure.measure(trained, Settings(every=4, steps=10))
    assert list(table.columns) == list(COLUMNS)
    assert set(table["initialisation"]) == {"kaiming_normal"}
    before = measure.measure(untrained(other.recipe, 3, noise), Settings(every=4, steps=10))
    largest = (each.groupby("layer")["singular_value"].max() for each in (table, before))
    assert next(largest).div(next(largest)).to_numpy() == pytest.approx([1, 1, 1, 3])
    # The mini-batch, and with it the statistics and the image, is the recipe's.
    images, _ = trained.mini_batch()
    assert len(images) == 16
    dense = torch.autograd.functional.jacobian(
        lambda x: with_fixed_statistics(trained.network, images)(x[None])[0], images[0].double()
    )
    values = np.linalg.svd(dense.flatten(1).numpy(), compute_uv=False)
    found = table[(table["layer"] == 8) & (table["probe"] == 0)]["singular_value"]
    np.testing.assert_allclose(np.sort(found)[::-1][: len(values)], values, rtol=1e-8)


def test_by_default_four_initialisations_are_compared_with_and_without_bn(noise):
    base = Recipe(depth=8)
    recipes = {name(recipe, base): recipe for recipe in (vary(base, variation) for variation in Settings().recipes)}
    others = ("kaiming_normal", "orthogonal", "pytorch_default")
    assert list(recipes) == ["batch", "none", *(f"{kind}-{other}" for other in others for kind in ("batch", "none"))]
    fan_in = 64 * 9
    for called, variance in (("none-kaiming_normal", 2 / fan_in), ("batch-pytorch_default", 1 / (3 * fan_in))):
        weight = untrained(recipes[called], 0, noise).network.layer(7).weight
        assert weight.std().item() == pytest.approx(np.sqrt(variance), rel=0.02)
