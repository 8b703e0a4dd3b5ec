import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from repro import datasets
from repro.config import Configuration
from repro.errors import UserError
from repro.experiments import step_landscape
from repro.experiments.first_steps import Trainee, trainee
from repro.networks import ResidualNetwork
from tests.experiments import initialisation
from tests.oracles import first_steps

NAME = "step_landscape"
RATES = {"batch": 0.1, "none": 0.0001}


def small(**settings: object) -> Configuration:
    return initialisation.configuration(NAME, **({"points": 4, "mini_batches": [1, 3]} | settings))


def prepared(configuration: Configuration, normalisation: str, seed: int = 0) -> Trainee:
    data, device = datasets.load(configuration.data), torch.device("cpu")
    return trainee(configuration, data, device, normalisation, 8, RATES[normalisation], seed)


@pytest.fixture
def small_images(monkeypatch):
    initialisation.use_small_images(monkeypatch)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_table_agrees_with_training_written_out_in_double_precision(small_images, normalisation):
    configuration = small(seeds=2)
    table = step_landscape.measure(configuration)
    assert len(table) == 2 * 2 * 2 * 4
    for seed in range(2):
        trained = prepared(configuration, normalisation, seed)
        batches = list(itertools.islice(trained.batches, 3))
        network = copy.deepcopy(trained.network).double()
        history = first_steps.training(network, batches, RATES[normalisation], 0.9, 5e-4)
        for mini_batch in (1, 3):
            weights, (images, labels) = history[mini_batch - 1], batches[mini_batch - 1]
            slopes = first_steps.gradient(network, weights, images, labels)
            before = first_steps.loss(network, weights, images, labels).item()
            rows = table.query("normalisation == @normalisation and seed == @seed and mini_batch == @mini_batch")
            assert rows["step_length"].iloc[[0, -1]].tolist() == pytest.approx([1.4e-5, 0.2])
            for row in rows.itertuples():
                moved = {name: weights[name] - row.step_length * slopes[name] for name in weights}
                after = first_steps.loss(network, moved, images, labels).item()
                assert row.loss_before == pytest.approx(before, rel=1e-4)
                assert row.relative_loss == pytest.approx(after / before, rel=1e-3)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_looking_leaves_no_trace_and_training_goes_on_as_if_nobody_had_looked(small_images, normalisation):
    looked_at, left_alone = (prepared(small(), normalisation) for _ in range(2))
    for _ in range(3):
        images, labels = next(looked_at.batches)
        looked_at.gradient(images, labels)
        before = copy.deepcopy(looked_at.network.state_dict())
        step_landscape.losses_along_step(looked_at.network, images, labels, np.array([1e-3, 1.0, 1e30]))
        assert all(torch.equal(before[name], tensor) for name, tensor in looked_at.network.state_dict().items())
        looked_at.optimiser.step()
        left_alone.gradient(*next(left_alone.batches))
        left_alone.optimiser.step()
    expected = left_alone.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in looked_at.network.state_dict().items())


def test_loss_falls_at_first_by_the_squared_gradient(small_images):
    trained = prepared(small(), "batch")
    images, labels = next(trained.batches)
    network: ResidualNetwork = trained.network.double()
    before = trained.gradient(images.double(), labels)
    squared = sum((parameter.grad**2).sum().item() for parameter in network.parameters())
    (after,) = step_landscape.losses_along_step(network, images.double(), labels, np.array([1e-7]))
    assert (before - after) / 1e-7 == pytest.approx(squared, rel=1e-3)


def test_mini_batches_go_on_into_the_next_epoch(small_images):
    trained = prepared(small(), "none")  # 96 images: 12 mini-batches of 8 in an epoch
    labels = [labels for _, labels in itertools.islice(trained.batches, 24)]
    assert not torch.equal(torch.cat(labels[:12]), torch.cat(labels[12:]))


def test_too_few_images_is_one_clear_sentence(small_images):
    configuration = initialisation.configuration(NAME, batch_size=97)
    with pytest.raises(UserError, match="batch_size is 97, but noise has only 96 training images; lower batch_size"):
        step_landscape.measure(configuration)


def table(with_: list[float], without: list[float], steps: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1)) -> pd.DataFrame:
    rows = [
        (normalisation, seed, mini_batch, step, 2.0, loss)
        for normalisation, losses in (("batch", with_), ("none", without))
        for seed, mini_batch in itertools.product(range(3), (1, 4))
        for step, loss in zip(steps, losses, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(step_landscape.COLUMNS))


FLAT, STEEP = [1.0, 0.9, 0.7, 0.8], [0.5, 100.0, 1e8, np.nan]


def test_features_by_hand():
    found = step_landscape.features(step_landscape.median_curves(table(FLAT, STEEP)))
    found = found.set_index(["normalisation", "mini_batch"])
    assert found.loc[("batch", 1), ["step at minimum", "minimum"]].tolist() == [1e-2, 0.7]
    assert found.loc[("batch", 1), ["step back at 1", "step at 1e6"]].isna().all()
    assert found.loc[("none", 4), ["step at minimum", "minimum"]].tolist() == [1e-4, 0.5]
    # In log-log the curve is straight between neighbours: 0.5 -> 100 is 2.30 decades, of which 0.30 up to 1.
    share = np.log10(1 / 0.5) / np.log10(100 / 0.5)
    assert found.loc[("none", 4), "step back at 1"] == pytest.approx(10 ** (-4 + share))
    assert found.loc[("none", 4), "step at 1e6"] == pytest.approx(10 ** (-3 + 4 / 6))


def test_crossing_at_the_edges():
    def at(losses: list[float]) -> float:
        return step_landscape.crossing(pd.Series(losses, index=[1.0, 2.0, 4.0]), 10.0)

    assert np.isnan(at([1, 2, 3]))
    assert at([20, 30, 40]) == 1
    assert at([1, np.inf, np.inf]) == 2
    assert at([np.inf] * 3) == 1
    assert at([100, 1, 10]) == pytest.approx(4)
    assert 2 < at([1, 0, 20]) <= 4


def test_median_counts_overflow_as_infinite():
    one = table(FLAT, STEEP)
    one.loc[(one["seed"] > 0) & (one["step_length"] == 0.1), "relative_loss"] = np.nan
    medians = step_landscape.median_curves(one).query("normalisation == 'batch' and mini_batch == 1")
    assert medians["relative_loss"].tolist() == [1.0, 0.9, 0.7, np.inf]


def outcomes(measured: pd.DataFrame) -> list[str]:
    return [claim.decide(measured).outcome for claim in step_landscape.CLAIMS]


def test_claims_are_decided_both_ways():
    assert outcomes(table(FLAT, STEEP)) == ["supported"] * 3
    assert outcomes(table(STEEP, FLAT)) == ["not supported"] * 3
    assert outcomes(table(FLAT, FLAT)) == ["supported", "not supported", "not supported"]
    short = table(FLAT, STEEP, steps=(1e-6, 1e-5, 1e-4, 1e-3))
    assert outcomes(short) == ["undecided", "undecided", "supported"]


def test_a_loss_that_never_falls_has_no_minimum():
    found = step_landscape.features(step_landscape.median_curves(table([2.0, 3, 4, 5], [np.nan] * 4)))
    assert found["minimum"].isna().all()
    assert (found["step back at 1"] == 1e-4).all()
    assert found.query("normalisation == 'none'")["step at 1e6"].tolist() == [1e-4] * 2


@pytest.mark.parametrize(("with_", "without"), [(FLAT, [np.nan] * 4), ([np.nan] * 4, [np.inf] * 4)])
def test_whole_path_with_overflows(tmp_path, with_, without):
    summary, _ = initialisation.judge_and_draw(step_landscape, table(with_, without), tmp_path)
    assert len(summary) == 2 * 2 * len(step_landscape.FEATURES)


def test_figure_leaves_overflows_out_of_the_line_and_marks_them():
    figure = step_landscape.plot(table(FLAT, STEEP))
    lines = {line.get_label(): line for line in figure.axes[1].lines if line.get_marker() == "None"}
    assert lines["mini-batch 1"].get_xdata().tolist() == [1e-4, 1e-3, 1e-2]
    crosses = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[0.1], [0.1]]


def test_published_values_are_those_of_the_paper_and_stay_apart():
    summary = step_landscape.summarise(table(FLAT, STEEP))
    chosen = summary.query("normalisation == 'none' and mini_batch == 1").set_index("quantity")
    published = chosen["published (ResNet-110, CIFAR-10)"]
    assert published.tolist() == [2.4e-4, 0.1, 7e-4, 2.7e-3]
    assert chosen.loc["minimum", "measured"] == 0.5
