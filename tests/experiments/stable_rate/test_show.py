import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from repro.experiments.stable_rate import show
from repro.experiments.stable_rate.settings import COLUMNS, DIVERGED, NOT_BELOW, NOT_TRIED, SURVIVED
from repro.results.statistics import Region
from tests.experiments.tables import keyed

GRID = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
PLANNED = 20
Largest = Mapping[str, Mapping[int, float | Sequence[float]]]

# By normalisation and depth: the largest rate, of every seed or of each.
FALLING: Largest = {
    "batch": {8: 0.3, 20: 0.3, 110: 0.3},
    "none": {8: 0.3, 20: 0.1, 110: 1e-3},
    "batch-final": {8: 0.3, 20: 0.3, 110: 0.03},
}


def tried(grid: Sequence[float], largest: float, depth: int, failure: str = DIVERGED) -> pd.DataFrame:
    """The rows of a network that survives the rates up to `largest`."""
    rows = []
    for number, rate in enumerate(grid):
        before = 0 if number == 0 else grid[number - 1]
        status = SURVIVED if rate <= largest else failure if before <= largest else NOT_TRIED
        updates = {SURVIVED: PLANNED, DIVERGED: 3, NOT_BELOW: PLANNED, NOT_TRIED: 0}[status]
        last = {SURVIVED: 2.0 - number / 100, DIVERGED: math.inf, NOT_BELOW: 2.5, NOT_TRIED: math.nan}[status]
        rows.append((depth, rate, status, PLANNED, updates, 2.4, last))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rates(largest: Largest = FALLING, seeds: int = 3, grid: Sequence[float] = GRID) -> pd.DataFrame:
    """A table in which every network survives up to the rate that `largest` says."""
    parts = []
    for seed, (kind, depths) in itertools.product(range(seeds), largest.items()):
        for depth, rate in depths.items():
            own = rate[seed] if isinstance(rate, Sequence) else rate
            parts.append(keyed(tried(grid, own, depth), kind, seed, f"{kind}-depth{depth}"))
    return pd.concat(parts, ignore_index=True)


def test_the_largest_rate_is_that_up_to_which_all_are_survived():
    table = rates({"batch": {8: (0.3, 3.0, 1e-6)}})
    found = show.largest_rates(table).set_index("seed")
    assert found["largest"].tolist() == [0.3, 3.0, 1e-5]
    assert found["bound"].tolist() == [0, 1, -1]
    assert found["last_loss"].tolist() == [pytest.approx(1.94), pytest.approx(1.92), math.inf]
    assert set(found["family"]) == {"batch"}
    # One that would be survived beyond a rate that is not does not count.
    alone = (table["seed"] == 0) & (table["rate"] == 3.0)
    again = show.largest_rates(table.assign(status=table["status"].mask(alone, SURVIVED)))
    assert again.set_index("seed")["largest"].tolist() == [0.3, 3.0, 1e-5]
    # Nor does the order of rows.
    assert show.largest_rates(table[::-1]).set_index("seed").loc[[0, 1, 2], "largest"].tolist() == [0.3, 3.0, 1e-5]


def test_a_failure_of_either_kind_ends_it():
    parts = [keyed(tried(GRID, 0.1, 8, failure), "batch", seed) for seed, failure in enumerate((DIVERGED, NOT_BELOW))]
    assert show.largest_rates(pd.concat(parts))["largest"].tolist() == [0.1, 0.1]


def test_families_are_recipes_that_differ_in_depth_alone():
    table = rates(FALLING, seeds=1)
    other = rates({"none": {8: 0.1, 20: 0.03}}, seeds=1)
    other["recipe"] += "-batch16"
    found = show.largest_rates(pd.concat([table, other], ignore_index=True))
    assert [case.label for case in show.families(found)] == ["with BN", "none", "one final BN", "none-batch16"]
    assert [len(show.of_family(case, found)) for case in show.families(found)] == [3, 3, 3, 2]


def test_ratios_are_of_the_same_seed():
    table = rates({"batch": {8: (0.3, 0.1, 3.0)}, "none": {8: (0.1, 0.01, 1e-6)}})
    found = show.ratios(show.largest_rates(table)).set_index("seed")
    assert 10 ** found["decades"].to_numpy() == pytest.approx([3, 10, 3e5])
    assert found["bound"].tolist() == [0, 0, 1]
    mixed = show.ratios(show.largest_rates(rates({"batch": {8: 1e-6}, "none": {8: (1e-6, 3.0, 0.1)}})))
    assert mixed["bound"].isna().tolist() == [True, False, False]
    assert mixed["bound"].tolist()[1:] == [-1, -1]
    assert show.ratios(show.largest_rates(table.query("normalisation == 'batch'"))).empty


def test_the_interval_contains_the_rounding_to_the_grid():
    values, weights = [-1.0, -1.5, -0.5, -1.2], np.array([-0.8, 0.1, 0.7])
    found = show.with_grid(values, float(weights @ weights), 0.5)
    scatter, rounding = np.var(values, ddof=1) / 4, 0.5**2 / 12 * (0.64 + 0.01 + 0.49)
    squared = scatter + rounding
    freedom = squared**2 / (scatter**2 / 3)
    half = stats.t.ppf(0.95, freedom) * math.sqrt(squared)
    assert (found.low, found.value, found.high) == pytest.approx((-1.05 - half, -1.05, -1.05 + half))
    assert found.networks == 4
    assert found.p_value(Region(below=0.0)) == pytest.approx(stats.t.sf(1.05 / math.sqrt(squared), freedom))
    # Networks that agree on the same rates are no exact measurement.
    alike = show.with_grid([0.0] * 3, 2.0, 0.5)
    assert alike.high == pytest.approx(stats.norm.ppf(0.95) * 0.5 / math.sqrt(6))
    assert math.isnan(show.with_grid([1.0], 2.0, 0.5).low)
    assert math.isnan(show.with_grid([], 2.0, 0.5).value)


def test_rounded_networks_keep_the_promise_of_the_interval():
    """Of networks whose true rates scatter, 90 % of the intervals or more hold the true mean ratio."""
    random = np.random.default_rng(0)
    for scatter in (0.0, 0.1, 0.5):
        hit = 0
        for _ in range(400):
            shifts = random.uniform(0, 0.5, 2)  # of the true means against the grid
            true = shifts + scatter * random.standard_normal((3, 2))
            rounded = np.floor(true / 0.5) * 0.5
            estimate = show.with_grid(rounded[:, 0] - rounded[:, 1], 2.0, 0.5)
            hit += estimate.low <= shifts[0] - shifts[1] <= estimate.high
        assert hit > 0.87 * 400, scatter


def test_the_step_is_the_largest_of_the_grid():
    assert show.grid_step(rates(grid=(0.01, 0.03, 0.1, 0.3))) == pytest.approx(math.log10(10 / 3))
    assert show.grid_step(rates()) == pytest.approx(1)


def test_summary_has_the_rate_of_every_seed_and_the_ends_of_the_grid():
    table = rates({"batch": {8: (0.3, 3.0, 0.1), 20: (0.3, 0.1, 1e-6)}})
    eight, twenty = show.summarise(table).to_dict("records")
    assert (eight["depth"], eight["largest rate in every seed"], eight["median"], eight["largest"]) == (8, 0.1, 0.3, 3)
    assert (eight["seeds that survive every rate"], eight["seeds that survive no rate"]) == (1, 0)
    assert eight["loss at the largest rate, median"] == pytest.approx(1.94)
    assert math.isnan(twenty["largest rate in every seed"])
    assert twenty["seeds that survive no rate"] == 1
    assert twenty["loss at the largest rate, median"] == pytest.approx((1.94 + 1.95) / 2)


def test_the_figure_has_every_seed_and_the_rate_of_every_seed():
    table = rates({"batch": {8: 3.0, 110: (3.0, 0.3, 1.0)}, "none": {8: (0.3, 0.1, 0.3), 110: 1e-6}})
    left, right = show.plot(table).axes
    bold = [line for line in left.lines if line.get_linewidth() == 1.8]
    assert [line.get_ydata().tolist() for line in bold] == [[3.0, 0.3], [0.1, 1e-5]]
    assert sum(line.get_linewidth() == 0.7 for line in left.lines) == 6
    points = [line for line in left.lines if line.get_markersize() == 4.5]
    assert [line.get_markerfacecolor() == "w" for line in points] == [True, False, False, True]
    seeds = [line for line in left.lines if line.get_markersize() == 3]
    assert [line.get_ydata().tolist() for line in seeds] == [[3.0, 3.0, 3.0, 3.0], [1e-5, 1e-5, 1e-5]]
    means = [line for line in right.lines if line.get_marker() == "_"]
    assert means[0].get_ydata() == pytest.approx([10 ** np.mean([1, np.log10(30), 1])])
    open_dots = [line for line in right.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert len(open_dots) == 2  # every pair is a bound at both depths


def test_a_single_kind_has_no_ratios():
    assert len(show.plot(rates({"batch": {8: 0.1}})).axes) == 1
