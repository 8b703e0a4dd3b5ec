import dataclasses

import numpy as np
import pytest
import torch

from repro.experiments.channel_conditioning.measure import measure
from repro.experiments.channel_conditioning.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.instruments.conditioning import conditioning
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots

NAME = "channel_conditioning"


def test_every_convolution_is_measured(noise):
    networks = snapshots(noise, seeds=1)
    table = measured(measure, Settings(), networks).set_index(["normalisation", "layer"])
    assert table.loc["none"].index.tolist() == list(range(1, 8))
    assert table.loc["none"]["channels"].tolist() == [16, 16, 16, 32, 32, 64, 64]
    for snapshot in networks:
        images, _ = snapshot.mini_batch()
        output = probes.layer_outputs(snapshot.network, images, [4])[4].double().numpy()
        vectors = output.transpose(1, 0, 2, 3).reshape(32, -1)
        covariance = np.cov(vectors, bias=True)
        row = table.loc[(snapshot.recipe.normalisation, 4)]
        assert row["condition_covariance"] == pytest.approx(np.linalg.cond(covariance), rel=1e-6)


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    recipe = Recipe(depth=14, batch_size=16)
    trained = dataclasses.replace(untrained(recipe, 1, noise), after=0.5)
    with torch.no_grad():
        trained.network.layer(1).weight[0] = trained.network.layer(1).weight[1]  # two channels that are the same
    table = measure(trained, Settings())
    assert list(table.columns) == list(COLUMNS)
    assert table["layer"].tolist() == list(range(1, 14))
    assert table["condition_second_moment"][0] == np.inf
    images, _ = trained.mini_batch()
    assert len(images) == 16
    first = conditioning(probes.layer_outputs(trained.network, images, [1])[1])
    assert table.loc[0, "rank_covariance"] == first["rank_covariance"]


def test_whole_path(noise, tmp_path):
    summary, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert len(summary) == 2 * 3 * 2
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 6 * 3 * 2
    assert (verdicts["because"] == "it takes one untrained recipe with BN and one without").all()


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    assert table.query("normalisation == 'none' and layer == 7")["rank_covariance"].isna().all()
    assert table.query("normalisation == 'batch'").notna().all(axis=None)
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert (verdicts["verdict"] == "undecided").all()
    assert (verdicts["because"] == "no seed with finite values with and without BN").all()
