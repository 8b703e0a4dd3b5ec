import itertools
import math

import numpy as np
import pandas as pd
import pytest

from repro.experiments.variants import show
from repro.experiments.variants.settings import COLUMNS
from tests.experiments.tables import keyed

PLACES = {"batch": 1.0, "group": 0.75, "layer": -0.5, "none": 0.0}


def standing(seeds: int = 6, after: float = 0.0) -> pd.DataFrame:
    """Networks at these places in all three quantities, between ends that differ from seed to seed."""
    parts = []
    for (kind, place), seed in itertools.product(PLACES.items(), range(seeds)):
        none, batch = 4.0 + seed, 0.5 * seed
        value = none + place * (batch - none)
        row = (110, 54, value, math.exp(value), 10 * value)
        parts.append(keyed(pd.DataFrame([row], columns=list(COLUMNS)), kind, seed, after=after))
    return pd.concat(parts, ignore_index=True)


def test_places_are_between_the_networks_of_the_same_seed():
    found = show.places(standing())
    for kind, place in PLACES.items():
        rows = found.loc[found["normalisation"] == kind, list(show.QUANTITIES)]
        assert rows.to_numpy() == pytest.approx(np.full((6, 3), place))
    assert found[["recipe", "seed"]].equals(standing()[["recipe", "seed"]])


def test_places_are_of_the_same_moment():
    late = standing(after=1.0)
    late[["growth", "conditioning"]] += 100
    found = show.places(pd.concat([standing(), late], ignore_index=True))
    assert found.loc[found["normalisation"] == "group", "growth"].tolist() == pytest.approx([0.75] * 12)


def test_places_are_missing_where_an_end_is():
    table = standing()
    table.loc[(table["normalisation"] == "none") & (table["seed"] == 0), "growth"] = np.nan
    table.loc[(table["normalisation"] == "batch") & (table["seed"] == 1), "growth"] = np.inf
    table = table[~((table["normalisation"] == "batch") & (table["seed"] == 2))]
    same = table["seed"] == 3
    table.loc[same, "growth"] = 1.0
    found = show.places(table).query("normalisation == 'group'").set_index("seed")
    assert found["growth"].isna().tolist() == [True, False, True, True, False, False]
    assert found.loc[1, "growth"] == 0  # infinitely far from the end with BN
    assert found["conditioning"].isna().tolist() == [False, False, True, False, False, False]


def test_places_take_one_recipe_with_and_one_without():
    other = standing().query("normalisation == 'none'").assign(recipe="none-depth20")
    several = pd.concat([standing(), other], ignore_index=True)
    assert show.places(several)[list(show.QUANTITIES)].isna().all(axis=None)
    alone = standing().query("normalisation != 'batch'")
    assert show.places(alone)[list(show.QUANTITIES)].isna().all(axis=None)


def test_summary_by_hand():
    summary = show.summarise(standing()).set_index(["recipe", "quantity"])
    row = summary.loc[("group", "a/b, Table 1")]
    assert row["place between none (0) and batch (1)"] == "0.75 (0.75 to 0.75)"
    assert row["without a value"] == 0
    assert summary.loc[("none", "decades of conditioning"), "median"] == pytest.approx(65)
    assert summary.loc[("none", "decades of conditioning"), "range"] == "40 to 90"
    few = show.summarise(standing(seeds=4)).set_index(["recipe", "quantity"])
    assert few.loc[("layer", "a/b, Table 1"), "place between none (0) and batch (1)"] == "-0.50"


def test_figure_has_values_medians_and_places():
    axes = show.plot(standing()).axes
    assert len(axes) == 3
    growth = axes[0]
    bars = [line for line in growth.lines if line.get_marker() == "|"]
    assert [line.get_xdata()[0] for line in bars] == pytest.approx([1.25, 2.5625, 9.125, 6.5])
    assert [line.get_ydata()[0] for line in bars] == [0, 1, 2, 3]
    assert [text.get_text() for text in growth.texts] == ["0.75 (0.75 to 0.75)", "-0.50 (-0.50 to -0.50)", "place"]
    assert axes[1].get_xscale() == "log"
    assert [tick.get_text() for tick in growth.get_yticklabels()][::3] == ["with BN", "without BN"]


def test_what_is_not_finite_is_counted():
    table = standing()
    table.loc[(table["normalisation"] == "layer") & (table["seed"] < 2), "growth"] = [np.inf, np.nan]
    assert "2 not finite" in [text.get_text() for text in show.plot(table).axes[0].texts]
