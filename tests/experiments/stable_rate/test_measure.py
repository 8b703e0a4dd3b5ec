import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from repro.experiments.stable_rate import measure as measuring
from repro.experiments.stable_rate.measure import bearable, last_mini_batches, measure, outcome, training_losses
from repro.experiments.stable_rate.settings import COLUMNS, DIVERGED, NOT_BELOW, NOT_TRIED, SURVIVED, Settings
from repro.images.batches import epoch_batches
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe, named
from repro.training.descent import Descent
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import measured, overflow, show_and_judge, snapshots
from tests.oracles import first_steps

NAME = "stable_rate"
THREE_KINDS = ({}, {"normalisation": "none"}, {"place": "final"})


def mini_batches(snapshot: Snapshot, count: int) -> list[tuple[Tensor, Tensor]]:
    """The first ones of training: epoch by epoch."""
    recipe, data = snapshot.recipe, snapshot.data
    epochs = (epoch_batches(data, recipe.batch_size, snapshot.seed, epoch, True, "cpu") for epoch in itertools.count())
    return list(itertools.islice(itertools.chain.from_iterable(epochs), count))


def losses_by_hand(snapshot: Snapshot, rate: float, updates: int) -> list[float]:
    """Training written out in float64."""
    recipe, batches = snapshot.recipe, mini_batches(snapshot, updates + 1)
    network = copy.deepcopy(snapshot.network).double()
    weights = first_steps.training(network, batches[:-1], rate, recipe.momentum, recipe.weight_decay)
    return [first_steps.loss(network, one, *batch).item() for one, batch in zip(weights, batches, strict=True)]


@pytest.mark.parametrize("variation", THREE_KINDS)
def test_losses_are_those_of_training_written_out_in_double_precision(noise, variation):
    # Ten mini-batches make an epoch, so that the updates go into the next.
    snapshot = untrained(Recipe(depth=8, batch_size=9, weight_decay=0.01, momentum=0.8, **variation), 1, noise)
    found = list(training_losses(snapshot, 0.02, 12))
    assert found == pytest.approx(losses_by_hand(snapshot, 0.02, 12), rel=1e-4)
    assert len(set(found)) == 13


def test_a_row_says_what_becomes_of_the_losses(noise):
    snapshot = untrained(Recipe(depth=8, batch_size=16), 0, noise)
    settings = Settings(rates=[0.001, 0.003], updates=8)
    table = measure(snapshot, settings)
    assert list(table.columns) == list(COLUMNS)
    last = range(4, 9)  # of the losses 0 to 8 the last five
    first = np.mean([losses_by_hand(snapshot, 0.0, 8)[k] for k in last])
    assert table["first_loss"].to_numpy() == pytest.approx(first, rel=1e-5)
    for row in table.itertuples():
        expected = losses_by_hand(snapshot, row.rate, 8)
        assert row.last_loss == pytest.approx(np.mean([expected[k] for k in last]), rel=1e-4)
        assert row.last_loss < row.first_loss
        assert (row.depth, row.status, row.planned, row.updates) == (8, SURVIVED, 8, 8)


@pytest.mark.parametrize(("updates", "expected"), [(5, 5), (20, 5), (50, 5), (51, 6), (100, 10), (1000, 100)])
def test_the_last_tenth_counts(updates, expected):
    assert last_mini_batches(updates) == expected


def test_a_tiny_rate_is_survived_whichever_mini_batch_happens_to_be_hard(noise):
    for snapshot in snapshots(noise, THREE_KINDS, seeds=2):
        table = measure(snapshot, Settings(rates=[1e-5, 1e-4], updates=10))
        assert table["status"].tolist() == [SURVIVED] * 2
        # Little is learnt, less than by what the mini-batch of the first update differs from the last ones.
        fell = table["first_loss"] - table["last_loss"]
        assert 0 < fell[0] < fell[1] < abs(next(training_losses(snapshot, 1e-5, 1)) - table["first_loss"][0])


@pytest.mark.parametrize("rate", [3.0, 30.0, 1000.0])
@pytest.mark.parametrize("variation", THREE_KINDS)
def test_divergence_is_that_of_training(noise, variation, rate):
    snapshot = untrained(Recipe(depth=8, batch_size=16, **variation), 0, noise)
    losses = list(training_losses(snapshot, rate, 12))
    network = copy.deepcopy(snapshot.network).to(memory_format=torch.channels_last)
    descent = Descent(network, noise, snapshot.recipe, 0)
    descent.active.fill_(True)
    expected = []
    for step in range(13):
        if step % 6 == 0:
            descent.begin_epoch(step // 6, rate)
            descent.step.zero_()
        descent.loss_sum.zero_()
        descent.advance()
        expected.append(descent.loss_sum.item())
        if descent.diverged:
            break
    assert len(losses) == len(expected)
    assert (outcome(losses, math.inf, 5)[0] == DIVERGED) == bool(descent.diverged)
    assert losses[:3] == pytest.approx(expected[:3], rel=1e-3)


def test_some_network_diverges_and_no_larger_rate_is_tried(noise, monkeypatch):
    snapshot = untrained(Recipe(depth=8, batch_size=16, normalisation="none"), 0, noise)
    tried = []
    monkeypatch.setattr(
        measuring, "training_losses", lambda *asked: tried.append(asked[1]) or list(training_losses(*asked))
    )
    table = measure(snapshot, Settings(rates=[1e-4, 1e-3, 1000.0, 2000.0, 3000.0], updates=10))
    assert table["status"].tolist() == [SURVIVED, SURVIVED, DIVERGED, NOT_TRIED, NOT_TRIED]
    assert tried == [1e-4, 1e-3, 1000.0]
    assert table["updates"].tolist()[:2] == [10, 10]
    assert 1 <= table["updates"][2] < 10
    assert table["updates"].tolist()[3:] == [0, 0]
    assert not table["last_loss"][2] < 1000
    assert table["last_loss"][3:].isna().all()
    assert table["first_loss"].nunique() == 1


def test_what_is_bearable():
    assert bearable(1000.0, 2.3)
    assert not bearable(1000.1, 2.3)
    assert bearable(2000.0, 200.0)
    assert not bearable(2000.1, 200.0)
    assert not bearable(math.nan, 2.3)
    assert not bearable(math.inf, math.inf)
    assert not bearable(math.nan, math.nan)


def test_outcomes():
    falling = [2.4, 2.3, 2.3, 2.2, 2.1, 2.1, 2.0]
    status, last = outcome(falling, 2.2, 5)
    assert (status, last) == (SURVIVED, pytest.approx(2.14))
    assert outcome(falling, 2.1, 5)[0] == NOT_BELOW
    assert outcome(falling, last, 5)[0] == NOT_BELOW  # not below either
    assert outcome([2.4, 3.0, 5000.0], 2.4, 5) == (DIVERGED, 5000.0)
    assert outcome([*falling, 5000.0], 1e9, 5) == (DIVERGED, 5000.0)
    status, last = outcome([2.4, math.nan], 2.4, 5)
    assert status == DIVERGED
    assert math.isnan(last)
    # A deep network without BN may begin above the threshold.
    assert outcome([3000.0, 2000.0, 1500.0, 1400.0, 1300.0, 1200.0], 2900.0, 5)[0] == SURVIVED
    assert outcome(falling, math.nan, 5)[0] == NOT_BELOW


def test_the_network_stays_as_it_was(noise):
    snapshot = untrained(Recipe(depth=8, batch_size=16), 0, noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    measure(snapshot, Settings(rates=[0.01, 0.1], updates=6))
    assert all(torch.equal(value, before[name]) for name, value in snapshot.network.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rates": [0.1, 0.01]}, "rates must ascend, but 0.01 follows 0.1"),
        ({"rates": [0.1, 0.1]}, "rates must ascend, but 0.1 follows 0.1"),
        ({"rates": [0.1]}, "rates should have at least 2"),
        ({"rates": [0, 0.1]}, "rates.0 should be greater than 0"),
        ({"updates": 4}, "updates should be greater than or equal to 5"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


def test_default_networks_are_three_kinds_at_seven_depths():
    recipes = named(Recipe(), Settings().recipes, True, "recipes").values()
    assert len(recipes) == 21
    kinds = {recipe.normalisation_label for recipe in recipes}
    assert {(recipe.normalisation_label, recipe.depth) for recipe in recipes} == set(
        itertools.product(kinds, [8, 14, 20, 32, 44, 56, 110])
    )
    assert kinds == {"batch", "none", "batch-final"}


def test_too_few_training_images_are_refused_in_one_sentence(noise):
    with pytest.raises(UserError, match="batch_size is 128, but noise has only 96 training images"):
        measure(untrained(Recipe(depth=8), 0, noise), Settings())


SMALL = Settings(rates=[1e-4, 1e-2, 1000.0], updates=5)
DEPTHS = [*THREE_KINDS, {"normalisation": "none", "depth": 14}]


def test_whole_path(noise, tmp_path):
    table = measured(measure, SMALL, snapshots(noise, DEPTHS, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 2 * len(DEPTHS)
    assert summary["recipe"].unique().tolist() == ["batch", "none", "batch-final"]
    assert verdicts["verdict"].tolist() == ["undecided"] * 4
    assert verdicts["because"].tolist()[:2] == ["2 seeds are fewer than 3"] * 2


def test_networks_that_overflow_survive_nothing(noise, tmp_path):
    networks = snapshots(noise, seeds=3)
    overflow(networks)
    table = measured(measure, SMALL, networks)
    without = table[table["normalisation"] == "none"]
    assert without.groupby("seed")["status"].apply(list).tolist() == [[DIVERGED, NOT_TRIED, NOT_TRIED]] * 3
    assert (without["updates"] == 0).all()
    summary, _ = show_and_judge(NAME, table, tmp_path)
    summary = summary.set_index("recipe")
    assert summary.loc["none", "seeds that survive no rate"] == 3
    assert np.isnan(summary.loc["none", "largest rate in every seed"])
    assert summary.loc["batch", "loss before, median"] < 3
