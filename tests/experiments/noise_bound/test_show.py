import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from repro.experiments.noise_bound import show
from repro.experiments.noise_bound.settings import COLUMNS, WITH, WITHOUT
from tests.experiments.tables import keyed

SIZES = (4, 8, 16, 32, 64, 128)
IMAGES = 256


def noises(
    power: float = 1.0,
    excess: float = 1.0,
    seeds: int = 5,
    sizes: Sequence[int] = SIZES,
    scatter: float = 0.0,
    corrected: bool = True,
) -> pd.DataFrame:
    """With BN noise 1 / b^`power`, without `excess` times C / b, both of the finite set; C = 100 and more by seed.

    `scatter`: relative, over draws. `corrected` False: mini-batches drawn without replacement are as noisy as others.
    """
    random = np.random.default_rng(0)
    parts = []
    for normalisation, seed in itertools.product(("batch", "none"), range(seeds)):
        rows = []
        for size, drawing in itertools.product(sizes, (WITHOUT, WITH)):
            variance = 100.0 * (1 + seed)
            noise = variance / size * excess if normalisation == "none" else size**-power
            if drawing == WITHOUT and corrected:
                noise *= (IMAGES - size) / (IMAGES - 1)
            noise *= 1 + scatter * random.standard_normal()
            known = variance if normalisation == "none" else np.nan
            rows.append((IMAGES, size, drawing, 20, noise, noise / 5, 0.1 * noise, known, 2.0))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def test_every_noise_gives_the_same_constant_where_it_falls_as_derived():
    found = show.constants(noises())
    without = found.query("normalisation == 'none'")
    assert without["constant"].to_numpy() == pytest.approx(without["C"].to_numpy())
    assert without["reference"].equals(without["C"])
    assert found.query("normalisation == 'batch'")["constant"].to_numpy() == pytest.approx(1)


def test_with_normalisation_the_constant_is_that_of_the_largest_size():
    found = show.constants(noises(power=0.5)).query("normalisation == 'batch'")
    assert found["reference"].to_numpy() == pytest.approx(128**0.5)
    assert found.query("batch_size == 4")["constant"].to_numpy() == pytest.approx(2)
    assert len(found) == len(noises()) / 2


def test_summary_has_medians_and_the_range_of_the_ratio():
    table = noises()
    table.loc[(table["seed"] == 0) & (table["normalisation"] == "none"), "noise"] *= 2
    summary = show.summarise(table).set_index(["recipe", "drawing", "b"])
    row = summary.loc[("none", WITH, 4)]
    assert row["noise"] == pytest.approx(75)  # seeds 0 to 4: 50, 50, 75, 100, 125
    assert row["noise / squared gradient"] == pytest.approx(37.5)
    assert row["noise x b / C"] == "1 (1 to 2)"
    assert row["C compared with"] == "of the examples"
    assert row["standard error / noise"] == pytest.approx(0.2, rel=0.01)
    assert row["bias / noise"] == pytest.approx(0.1, rel=0.01)
    assert summary.loc[("batch", WITHOUT, 128), "C compared with"] == "at the largest b"


def test_the_figure_has_every_seed_the_median_and_the_line():
    figure = show.plot(noises(seeds=3))
    left, right = figure.axes
    bold = [line for line in left.lines if line.get_linewidth() == 1.8]
    faint = [line for line in left.lines if line.get_linewidth() == 0.7]
    dotted = [line for line in left.lines if line.get_linestyle() == ":"]
    assert (len(bold), len(faint), len(dotted)) == (2, 6, 2)
    # Cases are drawn from the last to the first, the lines from the first on: without BN, 200 / b in the median.
    assert bold[0].get_ydata() == pytest.approx(200 / np.array(SIZES))
    assert dotted[1].get_ydata() == pytest.approx(200 / np.array(SIZES))
    assert sum(line.get_linewidth() == 1.8 for line in right.lines) == 4
    for line in right.lines:
        assert np.asarray(line.get_ydata(), dtype=float) == pytest.approx(1)


def test_values_that_are_not_finite_are_counted():
    table = noises(seeds=2)
    table.loc[(table["normalisation"] == "none") & (table["drawing"] == WITH), "noise"] = np.nan
    left, right = show.plot(table).axes
    assert [text.get_text() for text in left.texts] == ["12 values not finite"]
    assert [text.get_text() for text in right.texts] == ["12 values not finite"]
