import itertools
import math

import mpmath
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from repro.experiments.channel_gradients import show
from repro.experiments.channel_gradients.settings import COLUMNS
from tests.experiments.tables import keyed

EVEN = 1 + 0.1 * np.random.default_rng(0).random((8, 8)) + 2 * np.eye(8)
SINGLE = np.outer([9.0, 3.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05], np.arange(1.0, 9.0))
FALLING = [float(9 - i) for i in range(8)]


def magnitudes(
    with_: NDArray[np.float64], without: NDArray[np.float64], means: list[float], seeds: int = 3
) -> pd.DataFrame:
    """A table from the matrices M with and without BN and the means of the input channels."""
    parts = []
    for (normalisation, matrix), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        rows = [(45, i, o, matrix[i, o], means[i], float(o)) for i, o in itertools.product(*map(range, matrix.shape))]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def test_concentrations_of_a_matrix_of_rank_one():
    inputs, outputs = np.array([6.0, 3.0, 1.0]), np.array([1.0, 2.0, 5.0, 2.0])
    table = magnitudes(np.outer(inputs, outputs), np.outer(inputs, outputs), means=[0.6, 0.3, 0.1], seeds=1)
    values = show.concentrations(table).iloc[0]
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
    values = show.concentrations(table).iloc[0]
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


def test_figure_of_the_pair():
    figure = show.plot(magnitudes(EVEN, SINGLE, FALLING))
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert titles == ["with BN, seed 0", "without BN, seed 0", "3 seeds", "input channels, all seeds"]
    assert not figure.legends
    labels = [text.get_text() for text in figure.axes[3].get_legend().get_texts()]
    # EVEN's rows differ by noise alone, in the same order in each seed
    ranks = np.argsort(np.argsort(EVEN.sum(axis=1)))
    assert labels == ["without BN: 1.00", f"with BN: {np.corrcoef(ranks, FALLING)[0, 1]:.2f}"]


def test_three_recipes_at_two_moments():
    pair = magnitudes(EVEN, SINGLE, FALLING, seeds=2)
    elsewhere = magnitudes(EVEN[:4, :4], SINGLE[:4, :4], FALLING, seeds=2).query("normalisation == 'none'")
    three = pd.concat([pair, elsewhere.assign(recipe="none-depth20", layer=12)], ignore_index=True)
    table = pd.concat([three, three.assign(after=0.5)], ignore_index=True)
    figure = show.plot(table)
    matrices = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in matrices][2:4] == [
        "none-depth20, untrained,\nseed 0",
        "with BN, after 50 %,\nseed 0",
    ]
    assert matrices[2].get_xlabel() == "output channel, layer 12"
    assert matrices[2].images[0].get_array().shape == (4, 4)
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 6
    assert len(show.summarise(table)) == 6 * len(show.QUANTITIES)


@pytest.mark.parametrize("chosen", ["batch", "none"])
def test_a_single_recipe(chosen):
    table = magnitudes(EVEN, SINGLE, FALLING).query("normalisation == @chosen")
    assert len(show.plot(table).axes) == 4  # a matrix and its colour bar, ranks, means
    assert show.summarise(table)["recipe"].unique().tolist() == [chosen]
