import itertools
import math

import mpmath
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from repro import probes
from repro.experiments import channel_gradients
from repro.experiments.initialisation import subjects
from tests.experiments import initialisation
from tests.oracles import channels as oracle

NAME = "channel_gradients"


def magnitudes(
    with_: NDArray[np.float64], without: NDArray[np.float64], means: list[float], seeds: int = 3
) -> pd.DataFrame:
    """A table from the matrices M with and without BN and the means of the input channels."""
    rows = []
    for (normalisation, matrix), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        for i, o in itertools.product(*map(range, matrix.shape)):
            rows.append((normalisation, seed, 45, i, o, matrix[i, o], means[i], float(o)))
    return pd.DataFrame(rows, columns=list(channel_gradients.COLUMNS))


def test_magnitudes_and_moments_agree_with_loops_over_autograds_gradient(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    configuration = initialisation.configuration(NAME, batch_size=4, seeds=2, layer=4)
    table = channel_gradients.measure(configuration).set_index(["normalisation", "seed"])
    for subject in subjects(configuration, 2):
        _, records = probes.capture_gradients(subject.network, subject.images, subject.labels, [4])
        inputs = records[4].input.double().numpy()
        sizes = records[4].output_gradient.double().abs().numpy()
        functional.cross_entropy(subject.network(subject.images), subject.labels).backward()
        gradient = subject.network.layer(4).weight.grad.tolist()
        rows = table.loc[(subject.normalisation, subject.seed)].set_index(["input_channel", "output_channel"])
        assert len(rows) == 16 * 32
        largest = rows["magnitude"].max()
        for i, o in itertools.product(range(16), range(32)):
            expected = sum(abs(gradient[o][i][y][x]) for y, x in itertools.product(range(3), repeat=2))
            assert rows.loc[(i, o), "magnitude"] == pytest.approx(expected, rel=1e-3, abs=1e-5 * largest)
        for i, o in ((0, 0), (3, 20), (15, 31)):
            assert rows.loc[(i, o), "input_mean"] == pytest.approx(oracle.moments(inputs, i)[0], rel=1e-12)
            assert rows.loc[(i, o), "output_gradient"] == pytest.approx(oracle.moments(sizes, o)[0], rel=1e-12)


def test_concentrations_of_a_matrix_of_rank_one():
    inputs, outputs = np.array([6.0, 3.0, 1.0]), np.array([1.0, 2.0, 5.0, 2.0])
    table = magnitudes(np.outer(inputs, outputs), np.outer(inputs, outputs), means=[0.6, 0.3, 0.1], seeds=1)
    values = channel_gradients.concentrations(table).iloc[0]
    assert values["effective_rank"] == pytest.approx(1)
    assert values["leading_share"] == pytest.approx(1)
    assert values["top_input_share"] == pytest.approx(0.6)
    assert values["top_output_share"] == pytest.approx(0.5)
    assert values["mean_correlation"] == pytest.approx(1)
    # the table's output gradients are 0, 1, 2, 3, with ranks 1 2 3 4 against 1 2.5 4 2.5
    assert values["gradient_correlation"] == pytest.approx(3 / math.sqrt(5 * 4.5))


def test_concentrations_agree_with_high_precision():
    matrix = np.random.default_rng(1).random((5, 4))
    table = magnitudes(matrix, matrix, means=[-5.0, 2.0, -3.0, 4.0, 1.0], seeds=1)
    values = channel_gradients.concentrations(table).iloc[0]
    with mpmath.workdps(40):
        singular = list(mpmath.svd_r(mpmath.matrix(matrix.tolist()), compute_uv=False))
        shares = [value / mpmath.fsum(singular) for value in singular]
        rank = mpmath.exp(-mpmath.fsum(share * mpmath.log(share) for share in shares))
        leading = singular[0] ** 2 / mpmath.fsum(value**2 for value in singular)
    assert values["effective_rank"] == pytest.approx(float(rank), rel=1e-12)
    assert values["leading_share"] == pytest.approx(float(leading), rel=1e-12)
    sums = [sum(row) for row in matrix.tolist()]
    ranks_sum = [sorted(sums).index(value) + 1 for value in sums]
    ranks_mean = [5, 2, 3, 4, 1]  # of the means' sizes
    squares = sum((a - b) ** 2 for a, b in zip(ranks_sum, ranks_mean, strict=True))
    assert values["mean_correlation"] == pytest.approx(1 - 6 * squares / (5 * 24))


def test_claims_are_decided_both_ways():
    even = 1 + 0.1 * np.random.default_rng(0).random((8, 8)) + 2 * np.eye(8)
    single = np.outer([9.0, 3.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05], np.arange(1.0, 9.0))
    falling = [float(9 - i) for i in range(8)]

    def outcomes(with_: NDArray[np.float64], without: NDArray[np.float64], means: list[float]) -> list[str]:
        table = magnitudes(with_, without, means)
        return [claim.decide(table).outcome for claim in channel_gradients.CLAIMS]

    assert outcomes(even, single, falling) == ["supported"] * 3
    assert outcomes(single, even, falling[::-1])[:2] == ["not supported"] * 2
    assert outcomes(even, single, falling[::-1])[2] == "not supported"
    assert outcomes(even, np.full((8, 8), np.inf), falling) == ["undecided"] * 3


def test_default_layer_stands_where_the_papers_does(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    table = channel_gradients.measure(initialisation.configuration(NAME, depth=14, seeds=1))
    # layer 45 is the second convolution of the fourth of the second stage's 18 blocks; at depth 14 the first of two
    assert table["layer"].unique().tolist() == [7]


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = channel_gradients.measure(initialisation.configuration(NAME))
    summary, verdicts = initialisation.judge_and_draw(channel_gradients, table, tmp_path)
    assert summary["median"].notna().all()
    assert verdicts["outcome"].isin(["supported", "not supported"]).all()


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, channel_gradients)
    table = channel_gradients.measure(initialisation.configuration(NAME))
    finite = np.isfinite(table["magnitude"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    summary, verdicts = initialisation.judge_and_draw(channel_gradients, table, tmp_path)
    assert (summary.set_index("normalisation")["seeds without a value"].loc["none"] == initialisation.SEEDS).all()
    assert verdicts["outcome"].tolist() == ["undecided"] * 3


def test_a_kernel_gradient_becomes_a_matrix_of_input_and_output_channels():
    gradient = torch.tensor([[[[1.0, -2.0]], [[0.0, 3.0]], [[-4.0, 0.5]]]])  # (1 out, 3 in, 1, 2)
    assert channel_gradients.channel_magnitudes(gradient).tolist() == [[3.0], [3.0], [4.5]]
