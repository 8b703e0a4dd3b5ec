import copy
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repro.experiments.input_independence import measure as table1
from repro.experiments.input_independence.settings import Settings as Table1Settings
from repro.experiments.single_parameters.measure import cancellations, measure, percentiles
from repro.experiments.single_parameters.settings import COLUMNS, PERCENTS, Settings, column
from repro.instruments import probes
from repro.instruments.summands import entry_sizes
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.conftest import random_images
from tests.experiments.tables import PAIR, THREE, measured, overflow, show_and_judge, snapshots
from tests.oracles import gradients as oracle

NAME = "single_parameters"


def at_most(ratios: list[float], percent: int) -> float:
    """The smallest of the ratios that so many per cent of them do not exceed."""
    for candidate in sorted(ratios):
        if 100 * sum(ratio <= candidate for ratio in ratios) >= percent * len(ratios):
            return candidate
    raise AssertionError


@pytest.mark.parametrize("variation", PAIR)
def test_percentiles_agree_with_loops_over_all_entries_in_float64(variation):
    data = random_images(train=8, test=4, size=8)
    snapshot = untrained(Recipe(depth=8, batch_size=2, **variation), 0, data)
    (row,) = measure(snapshot, Settings(layers=[6])).to_dict("records")
    images, labels = snapshot.mini_batch()
    network = copy.deepcopy(snapshot.network).double()
    _, records = probes.capture_gradients(network, images.double(), labels, [6])
    inputs, gradient = records[6].input.numpy(), records[6].output_gradient.numpy()
    ratios, undefined = [], 0
    for entry in itertools.product(range(64), range(32), range(3), range(3)):
        # Every 7th output channel, with all that it has: the rest is compared as a whole below.
        if entry[0] % 16:
            continue
        d = oracle.summands(inputs, gradient, entry, stride=2, padding=1)
        if all(value == 0 for value in d):
            undefined += 1
        else:
            ratios.append(sum(map(abs, d)) / abs(math.fsum(d)) if math.fsum(d) else math.inf)
    chosen = network.layer(6).weight[::16]
    part = probes.LayerRecord(records[6].input, records[6].output[:, ::16], records[6].output_gradient[:, ::16])
    convolution = torch.nn.Conv2d(32, len(chosen), 3, 2, 1, bias=False)
    _, absolute, signed = entry_sizes(convolution, part)
    found, lost = cancellations(absolute.numpy(), signed.numpy())
    assert lost == undefined
    for percent, value in zip(PERCENTS, percentiles(found), strict=True):
        assert value == pytest.approx(at_most(ratios, percent), rel=1e-6)
    # The table is of all entries, in single precision.
    _, absolute, signed = entry_sizes(network.layer(6), records[6])
    everything, lost = cancellations(absolute.numpy(), signed.numpy())
    assert row["entries"] == 64 * 32 * 9
    assert row["summands"] == 2 * 2 * 2
    assert row["undefined"] == lost
    assert [row[column(percent)] for percent in PERCENTS[:-1]] == pytest.approx(percentiles(everything)[:-1], rel=1e-2)


def test_percentiles_by_hand():
    assert percentiles(np.arange(1.0, 101.0)) == [1, 5, 25, 50, 75, 95, 99]
    assert percentiles(np.array([3.0])) == [3.0] * 7
    assert percentiles(np.array([1.0, np.inf, np.inf])) == [1, 1, 1, np.inf, np.inf, np.inf, np.inf]
    assert np.isnan(percentiles(np.array([1.0, np.nan]))).all()
    assert np.isnan(percentiles(np.array([]))).all()


def test_entries_without_summands_have_no_ratio_and_cancelling_ones_an_infinite_one():
    ratios, undefined = cancellations(np.array([[6.0, 0.0], [2.0, np.inf]]), np.array([[3.0, 0.0], [0.0, np.inf]]))
    assert undefined == 1
    assert ratios[:2].tolist() == [2, np.inf]
    assert np.isnan(ratios[2])


def test_the_average_of_the_same_entries_is_table_1(noise):
    snapshot = untrained(Recipe(depth=14, batch_size=8), 0, noise)
    table, averages = measure(snapshot, Settings()), table1.measure(snapshot, Table1Settings())
    assert list(table.columns) == list(COLUMNS)
    for shared in ("depth", "layer", "summands"):
        assert table[shared].tolist() == averages[shared].tolist()
    # A ratio of means lies between the least and the largest ratio.
    assert (table[column(1)] < averages["ratio"]).all()
    assert (averages["ratio"] < table[column(99)]).all()


def test_looking_leaves_weights_alone_and_finds_the_same_again(noise):
    snapshot = untrained(Recipe(depth=8, batch_size=8), 0, noise)
    before = copy.deepcopy(dict(snapshot.network.named_parameters()))
    first, second = (measure(snapshot, Settings()) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert all(torch.equal(before[name], value) for name, value in snapshot.network.named_parameters())


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(UserError, match=r"experiments.single_parameters.layers should have at least 1"):
        validate({"name": "x", "experiments": {NAME: {"layers": []}}})


def test_whole_path(noise, tmp_path):
    summary, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert len(summary) == 2 * 3
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=1, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 6 * 3
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"]


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, seeds=2)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    finite = np.isfinite(table[column(50)]).groupby(table["normalisation"]).any()
    assert finite.to_dict() == {"batch": True, "none": False}
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert verdicts["verdict"].tolist() == ["undecided"]
