import copy
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repro import datasets
from repro.config import Configuration
from repro.experiments import diverging_update
from repro.experiments.first_steps import Trainee, trainee
from repro.layers import equivalent_layer
from tests.experiments import initialisation
from tests.oracles import first_steps, networks

NAME = "diverging_update"
RATE = 20.0  # a shallow network bears much


def small(**settings: object) -> Configuration:
    return initialisation.configuration(NAME, **({"points": 3, "learning_rate": RATE, "seeds": 2} | settings))


def prepared(configuration: Configuration, seed: int = 0) -> Trainee:
    rate = configuration.experiments.diverging_update.learning_rate
    return trainee(configuration, datasets.load(configuration.data), torch.device("cpu"), "none", 8, rate, seed)


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    initialisation.use_small_images(monkeypatch)


def test_moments_along_the_update_agree_with_everything_written_out():
    configuration = small()
    table = diverging_update.measure(configuration)
    assert table.groupby("seed")["status"].first().tolist() == ["diverged"] * 2
    assert table["layer"].unique().tolist() == [equivalent_layer(layer, 8) for layer in (8, 44, 80)]
    for seed, update in table.groupby("seed"):
        step = update["step"].iloc[0]
        trained = prepared(configuration, seed)
        batches = list(itertools.islice(trained.batches, step))
        history = first_steps.training(copy.deepcopy(trained.network).double(), batches, RATE, 0.9, 5e-4)
        images, labels = (part.numpy() for part in batches[-1])
        for position, rows in update.groupby("position"):
            weights = {
                name: ((1 - position) * history[-2][name] + position * history[-1][name]).numpy() for name in history[0]
            }
            logits, outputs = networks.logits(weights, images.astype(float), 8, "none", "B")
            losses = [
                max(row) + math.log(sum(math.exp(value - max(row)) for value in row)) - row[label]
                for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
            ]
            assert rows["loss"].unique() == pytest.approx([sum(losses) / len(losses)], rel=2e-3)
            for row in rows.itertuples():
                values = outputs[row.layer][:, row.channel].ravel().tolist()
                mean = sum(values) / len(values)
                variance = sum((value - mean) ** 2 for value in values) / len(values)
                deviation = math.sqrt(variance)
                assert row.mean == pytest.approx(mean, rel=2e-3, abs=2e-3 * deviation)
                assert row.variance == pytest.approx(variance, rel=5e-3)


def test_the_diverging_update_is_the_first_that_raises_the_loss_above_the_threshold():
    configuration = small(learning_rate=2.0)
    trained = prepared(configuration)
    step, diverged, before, images, labels = diverging_update.train_until_divergence(trained, 10.0, 200)
    assert diverged
    again = prepared(configuration)
    for number in range(1, step + 1):
        images_again, labels_again = next(again.batches)
        loss = again.gradient(images_again, labels_again)
        weights = copy.deepcopy(again.network.state_dict())
        again.optimiser.step()
        with torch.no_grad():
            after = torch.nn.functional.cross_entropy(again.network(images_again), labels_again).item()
        assert (not after <= max(10.0, loss)) == (number == step)
    assert torch.equal(images, images_again)
    assert torch.equal(labels, labels_again)
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.state_dict().items())
    expected = again.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in trained.network.state_dict().items())


def test_ends_of_the_update_have_exactly_the_weights_before_and_after():
    trained = prepared(small())
    _, _, before, images, labels = diverging_update.train_until_divergence(trained, 1e3, 50)
    table = diverging_update.moments_along_update(before, trained.network, images, labels, [0.0, 1.0], [2])
    for position, network in ((0.0, before), (1.0, trained.network)):
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(network(images), labels).item()
        assert table.loc[table["position"] == position, "loss"].unique().tolist() == [loss]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (2.0, 999.0, False),
        (2.0, 1001.0, True),
        (1560.0, 1200.0, False),  # began above the threshold and fell
        (1560.0, 1600.0, True),
        (2.0, math.nan, True),
        (2.0, math.inf, True),
    ],
)
def test_what_diverges(before, after, expected):
    assert diverging_update.diverges(before, after, 1e3) is expected


def test_nothing_diverges_is_an_outcome(tmp_path):
    table = diverging_update.measure(small(learning_rate=1e-6, maximum_steps=2))
    assert set(table["status"]) == {"not diverged"}
    assert set(table["step"]) == {2}
    _, verdicts = initialisation.judge_and_draw(diverging_update, table, tmp_path)
    assert set(verdicts["outcome"]) == {"undecided"}
    assert "no update diverged" in diverging_update.plot(table).get_suptitle()


def test_overflow_is_an_outcome(tmp_path):
    table = diverging_update.measure(small(learning_rate=1e20, layers=[2, 6]))
    assert set(table["status"]) == {"diverged"}
    assert table.query("position == 0")[["mean", "variance"]].apply(np.isfinite).all(axis=None)
    assert not table.query("position == 1")[["mean", "variance"]].apply(np.isfinite).all(axis=None)
    _, verdicts = initialisation.judge_and_draw(diverging_update, table, tmp_path)
    assert set(verdicts["outcome"]) == {"undecided"}
    texts = [text.get_text() for axis in diverging_update.plot(table).axes for text in axis.texts]
    assert "overflow at 2 of 3 positions" in texts


def table(ends: dict[int, tuple[list[float], list[float]]], status: tuple[str, ...] = ("diverged",)) -> pd.DataFrame:
    """Layers with two channels; `ends` are their means and variances after an update from means ±1, variances 1."""
    rows = []
    for seed, position in itertools.product(range(len(status)), (0.0, 0.5, 1.0)):
        for layer, (means, variances) in ends.items():
            for channel, (mean, variance) in enumerate(zip(means, variances, strict=True)):
                start = -((-1.0) ** channel)
                moved = start + position * (mean - start), 1 + position * (variance - 1)
                rows.append((seed, status[seed], 7, 0.1, position, layer, channel, *moved, 2 + position * 5e3))
    return pd.DataFrame(rows, columns=list(diverging_update.COLUMNS))


def outcomes(measured: pd.DataFrame) -> list[str]:
    return [claim.decide(measured).outcome for claim in diverging_update.CLAIMS]


PAPER_LIKE = {
    8: ([-0.9, 1.4], [0.5, 1.0]),
    44: ([-3900.0, 2700.0], [1e6, 5.4e6]),
    80: ([-3e8, 1.9e8], [1e16, 5.5e16]),
}


def test_claims_are_decided_both_ways():
    assert outcomes(table(PAPER_LIKE)) == ["supported"] * 3
    one_sign = {8: ([0.5, 1.0], [9.0, 9.0]), 44: ([1.0, 1.0], [4.0, 4.0])}
    assert outcomes(table(one_sign)) == ["not supported"] * 3
    assert outcomes(table(PAPER_LIKE, status=("not diverged",))) == ["undecided"] * 3
    assert outcomes(table({8: PAPER_LIKE[8]})) == ["supported", "undecided", "undecided"]


def test_claims_go_by_the_last_position_without_overflow():
    measured = table(PAPER_LIKE)
    measured.loc[(measured["position"] == 1) & (measured["layer"] == 80), ["mean", "variance"]] = np.nan
    assert outcomes(measured) == ["supported"] * 3
    assert "2.8e+16 in layer 80" in diverging_update.CLAIMS[1].decide(measured).measured


def test_summary_by_hand():
    summary = diverging_update.summarise(table(PAPER_LIKE, status=("not diverged", "diverged")))
    summary = summary.set_index(["layer", "quantity"])
    assert summary.loc[("all", "step"), "seed 1"] == 7
    assert summary.loc[("all", "loss after"), "seed 1"] == 5002
    for layer, numbers in {"8": (-1.0, 1.4, 1.0), "44": (-3900, 2700, 5.4e6), "80": (-3e8, 1.9e8, 5.5e16)}.items():
        for quantity, value in zip(("lowest mean", "highest mean", "highest variance"), numbers, strict=True):
            assert summary.loc[(layer, quantity), "seed 1"] == pytest.approx(value)
            assert summary.loc[(layer, quantity), "median of 1 diverged seeds"] == pytest.approx(value)
    assert summary.loc[("8", "lowest mean"), "published (ResNet-110, CIFAR-10)"] == -0.9


def test_figure_shows_the_first_network_that_diverged_with_a_line_for_each_channel():
    figure = diverging_update.plot(table(PAPER_LIKE, status=("not diverged", "diverged")))
    assert "seed 1: update 7 takes the mini-batch loss from 2 to 5e+03" in figure.get_suptitle()
    means, variances = figure.axes[2], figure.axes[5]
    assert len(means.lines) == len(variances.lines) == 2
    assert {line.get_ydata()[-1] for line in means.lines} == {-3e8, 1.9e8}
    assert means.lines[0].get_xdata().tolist() == [0, 50, 100]
