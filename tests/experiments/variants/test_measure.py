import copy
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repro.experiments.activation_growth import claims as figure_5_claims
from repro.experiments.activation_growth import measure as figure_5
from repro.experiments.activation_growth.settings import Settings as Figure5Settings
from repro.experiments.channel_conditioning import claims as conditioning_claims
from repro.experiments.channel_conditioning import measure as channel_conditioning
from repro.experiments.channel_conditioning.settings import Settings as ConditioningSettings
from repro.experiments.input_independence import measure as table_1
from repro.experiments.input_independence.settings import Settings as Table1Settings
from repro.experiments.variants import show
from repro.experiments.variants.measure import decades, measure
from repro.experiments.variants.settings import COLUMNS, KINDS, Settings
from repro.instruments import probes
from repro.results.statistics import median
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.conftest import random_images
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots
from tests.oracles import channels as oracle
from tests.oracles import gradients as oracle_of_gradients

NAME = "variants"
ALL = [{"normalisation": kind} for kind in KINDS]


def log_deviations(output: np.ndarray) -> float:
    """Mean over channels of ln(standard deviation), by loops."""
    logarithms = [0.5 * math.log(oracle.moments(output, channel)[1]) for channel in range(output.shape[1])]
    return sum(logarithms) / len(logarithms)


@pytest.mark.parametrize("kind", ["batch", "layer", "weight_standardisation", "skip_init"])
def test_growth_and_ratio_agree_with_loops_in_float64(kind):
    data = random_images(train=8, test=4, size=8)
    snapshot = untrained(Recipe(depth=8, batch_size=2, normalisation=kind), 0, data)
    row = measure(snapshot, Settings(layer=2)).iloc[0]
    images, labels = snapshot.mini_batch()
    network = copy.deepcopy(snapshot.network).double()
    outputs = probes.layer_outputs(network, images.double(), [1, 7])
    first, last = (log_deviations(output.numpy()) for output in outputs.values())
    assert row["growth"] == pytest.approx(last - first, rel=1e-3)
    # Of the ratio: the kernel's gradient by autograd, and |d| by loops.
    _, records = probes.capture_gradients(network, images.double(), labels, [2])
    inputs, gradient = records[2].input.numpy(), records[2].output_gradient.numpy()
    n, a, b = oracle_of_gradients.summand_sizes(inputs, gradient, (16, 16, 3, 3), 1, 1)
    assert n == 2 * 8 * 8
    assert row["ratio"] == pytest.approx(a / b, rel=1e-3)
    assert row[["depth", "layer"]].tolist() == [8, 2]


def test_decades_by_hand():
    assert decades([10, 1000], per_stage=1) == pytest.approx(2)
    # The middle two of each end's four.
    assert decades([1, 10, 30, 1000, 5, 5, 5, 5, 1, 200, 200, 1e9], per_stage=10) == pytest.approx(1)
    assert decades([1.0, 1, 1, math.inf, math.inf, math.inf], per_stage=2) == math.inf
    assert math.isnan(decades([math.inf] * 4, per_stage=2))
    assert math.isnan(decades([1.0, math.nan, 1, 1, 1, 1], per_stage=2))
    assert decades([1.0, 1, math.nan, math.nan, 1, 1], per_stage=2) == 0


def test_conditioning_agrees_with_loops_in_fifty_digits():
    data = random_images(train=16, test=4, size=8)
    snapshot = untrained(Recipe(depth=8, batch_size=16, normalisation="group"), 1, data)
    images, _ = snapshot.mini_batch()
    outputs = probes.layer_outputs(copy.deepcopy(snapshot.network).double(), images.double(), [2, 3, 6, 7])
    logarithms = {}
    for layer, output in outputs.items():
        vectors = output.numpy().transpose(1, 0, 2, 3).reshape(output.shape[1], -1)
        total = np.zeros((len(vectors), len(vectors)))
        for vector in vectors.T:
            total += np.outer(vector, vector)
        eigenvalues = np.linalg.eigvals(total / vectors.shape[1]).real
        logarithms[layer] = eigenvalues.max() / eigenvalues.min()
    expected = math.log10((logarithms[6] + logarithms[7]) / 2) - math.log10((logarithms[2] + logarithms[3]) / 2)
    assert measure(snapshot, Settings())["conditioning"].item() == pytest.approx(expected, rel=1e-2)


def test_the_three_are_what_the_studies_of_each_say_of_the_same_networks(noise):
    networks = snapshots(noise, [{"depth": 14}, {"depth": 14, "normalisation": "none"}], seeds=2)
    table = measured(measure, Settings(), networks).set_index(["normalisation", "seed"])
    growth = figure_5_claims._rises(measured(figure_5.measure, Figure5Settings(), networks))
    conditions = measured(channel_conditioning.measure, ConditioningSettings(), networks)
    rises = conditioning_claims._rise(conditions, (1, "first"), (3, "last"))
    averages = measured(table_1.measure, Table1Settings(), networks)
    middle = averages[averages["layer"] == table["layer"].iloc[0]].set_index(["normalisation", "seed"])["ratio"]
    for kind, seed in itertools.product(("batch", "none"), (0, 1)):
        row = table.loc[(kind, seed)]
        assert row["growth"] == pytest.approx(growth.loc[seed, kind], rel=1e-9)
        assert row["conditioning"] == pytest.approx(rises.loc[seed, kind], rel=1e-9)
        assert row["ratio"] == pytest.approx(middle.loc[(kind, seed)], rel=1e-9)


@pytest.mark.parametrize("kind", ["batch", "batch_renormalisation"])
def test_looking_leaves_no_trace(noise, kind):
    snapshot = untrained(Recipe(depth=8, batch_size=8, normalisation=kind), 0, noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    first, second = (measure(snapshot, Settings()) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert all(torch.equal(before[name], value) for name, value in snapshot.network.state_dict().items())


def test_gradients_and_outputs_are_of_the_same_running_averages(noise):
    """Once its limits are open, Batch Renormalization would see others in a second pass."""
    snapshot = untrained(Recipe(depth=8, batch_size=8, normalisation="batch_renormalisation"), 0, noise)
    for name, buffer in snapshot.network.named_buffers():
        if name.endswith("updates"):
            buffer.fill_(1_000_000)
    alone = copy.deepcopy(snapshot.network)
    _, records = probes.capture_gradients(alone, *snapshot.mini_batch(), [4])
    expected = table_1.summand_sizes(alone.layer(4), records[4])
    ratio = measure(snapshot, Settings(layer=4))["ratio"].item()
    assert ratio == expected[1] / expected[2]
    # A second pass does see others.
    _, records = probes.capture_gradients(alone, *snapshot.mini_batch(), [4])
    expected = table_1.summand_sizes(alone.layer(4), records[4])
    assert ratio != expected[1] / expected[2]


def test_whole_path_of_all_kinds(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, ALL, seeds=2))
    assert table[list(COLUMNS)].notna().all(axis=None)
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 3 * len(KINDS)
    assert verdicts.empty
    # At first Batch Renormalization is batch normalisation itself.
    found = show.places(table).query("normalisation == 'batch_renormalisation'")[list(show.QUANTITIES)]
    assert found.to_numpy() == pytest.approx(np.ones((2, 3)))
    assert median(found["growth"]).value == pytest.approx(1)


def test_whole_path_without_a_pair(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=1, after=(0.0, 0.5)))
    summary, _ = show_and_judge(NAME, table, tmp_path)
    assert set(summary["place between none (0) and batch (1)"]) == {"-"}


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, [*ALL[:3], ALL[-1]], seeds=2)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    assert table.query("normalisation == 'none'")[list(show.QUANTITIES)].isna().all(axis=None)
    assert table.query("normalisation == 'batch'").notna().all(axis=None)
    summary, _ = show_and_judge(NAME, table, tmp_path)
    assert set(summary["place between none (0) and batch (1)"]) == {"-"}
