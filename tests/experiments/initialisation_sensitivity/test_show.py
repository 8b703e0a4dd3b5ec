import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.initialisation_sensitivity import show
from repro.experiments.initialisation_sensitivity.settings import COLUMNS
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import network

SCHEMES = ("xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default")
GAINS = (0.1, 1.0, 10.0)


def outcomes(
    with_: tuple[float, ...] = (0.4, 0.5, 0.45),
    without: tuple[float, ...] = (0.1, 0.4, np.nan),
    seeds: int = 5,
    schemes: tuple[str, ...] = SCHEMES,
) -> pd.DataFrame:
    """Networks with this train accuracy at each gain, plus a thousandth per seed; NaN: diverged."""
    rows = [
        network(kind, seed, accuracy - 0.05, accuracy + 0.001 * seed, initialisation=scheme, gain=gain)
        for kind, accuracies in (("batch", with_), ("none", without))
        for scheme, (gain, accuracy) in itertools.product(schemes, zip(GAINS, accuracies, strict=True))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)[list(COLUMNS)]


def test_shares_and_spreads_are_over_cells_and_diverged_networks_count_as_at_chance():
    found = show.by_network(outcomes(seeds=2))
    assert found["cells"].tolist() == [12] * 4
    assert found["share"].tolist() == pytest.approx([1, 1, 1 / 3, 1 / 3])
    for kind, accuracies in (("batch", [40, 50, 45]), ("none", [10, 40, 10])):
        assert found.loc[(kind, 0), "spread"] == pytest.approx(np.std(accuracies * 4, ddof=1))
    # The diverged stay at chance, whatever the seed adds to the others.
    assert found.loc[("none", 1), "spread"] == pytest.approx(np.std([10.1, 40.1, 10.0] * 4, ddof=1))


def test_only_cells_that_both_have_are_compared():
    table = outcomes(seeds=1)
    lacking = table[~((table["normalisation"] == "none") & (table["initialisation"] == "orthogonal"))]
    assert show.by_network(lacking)["cells"].tolist() == [9, 9]


def test_summary_has_the_shares_first(tmp_path: Path):
    summary, _ = show_and_judge("initialisation_sensitivity", outcomes(seeds=2), tmp_path)
    assert summary["recipe"].tolist()[:2] == ["all cells, with BN", "all cells, without BN"]
    assert summary["share of cells that train, mean"].tolist()[:2] == pytest.approx([1, 1 / 3])
    assert len(summary) == 2 + 24
    assert summary["diverged"].sum() == 8


def test_the_figure_has_a_column_for_each_scheme():
    axes = show.plot(outcomes(seeds=2)).axes
    assert len(axes) == 8
    assert [axis.get_title() for axis in axes[:4]] == ["Xavier", "He", "orthogonal", "PyTorch default"]
    for axis in axes[:4]:
        bold = [line.get_ydata() for line in axis.lines if line.get_linewidth() == 1.8]
        assert np.asarray(bold[0]) == pytest.approx([40.05, 50.05, 45.05])
        assert [text.get_text() for text in axis.texts] == ["diverged: 2 without BN"]
        assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == ":"] == [20]
