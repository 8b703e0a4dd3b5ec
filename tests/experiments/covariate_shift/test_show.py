import itertools
import math

import numpy as np
import pandas as pd
import pytest

from repro.experiments.covariate_shift import show
from repro.experiments.covariate_shift.settings import COLUMNS
from repro.results.claims import Undecided
from tests.experiments.tables import keyed

MOMENTS = (0.0, 0.1, 1.0)


def shifting(
    with_: float = 1.0,
    without: float = 2.0,
    seeds: int = 5,
    moments: tuple[float, ...] = MOMENTS,
    change: tuple[float, float] | None = None,
    scatter: float = 0.1,
) -> pd.DataFrame:
    """Networks whose inputs' moments move, and gradients change, in proportion to `with_` and `without`.

    From moment to moment means move by 0.1 x that, ln(deviation) by as much; G changes by 0.01 x `change` (of the same
    if None) of itself, its angle too.
    """
    random = np.random.default_rng(0)
    parts = []
    for (kind, size, changed), seed in itertools.product(
        zip(("batch", "none"), (with_, without), change or (with_, without), strict=True), range(seeds)
    ):
        for number, after in enumerate(moments):
            rows = []
            for layer in (2, 3, 4):
                factor = math.exp(scatter * random.standard_normal())
                move = 0.1 * size * number * (1 + scatter * random.standard_normal() / 5)
                for channel in range(4):
                    sign = 1 if channel % 2 else -1
                    moved = 0.01 * changed * factor
                    rows.append((0.1, layer, channel, sign * move, math.exp(sign * move), 2.0, 2 * moved, moved))
            parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), kind, seed, after=after))
    return pd.concat(parts, ignore_index=True)


def two_moments(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> pd.DataFrame:
    """One layer of one network with these means and deviations of its channels."""
    parts = []
    for share, moments in ((0.0, before), (1.0, after)):
        rows = [(0.1, 2, channel, *pair, 1.0, 0.1, 0.1) for channel, pair in enumerate(moments)]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), after=share))
    return pd.concat(parts, ignore_index=True)


def drift(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> pd.Series:
    found = show.drifts(two_moments(before, after))
    assert len(found) == 1
    assert found[["since", "after", "layer"]].iloc[0].tolist() == [0, 1, 2]
    return found.iloc[0]


def test_drift_by_hand():
    before, after = [(0.0, 1.0), (2.0, 3.0)], [(1.0, 1.0), (2.0, 6.0)]
    found = drift(before, after)
    assert found["mean_drift"] == pytest.approx(math.sqrt((1 / 1 + 0) / 2))
    assert found["deviation_drift"] == pytest.approx(math.sqrt((0 + math.log(2) ** 2) / 2))
    assert found["left_out"] == 0
    backwards = drift(after, before)
    assert backwards[list(show.DRIFTS)].tolist() == pytest.approx(found[list(show.DRIFTS)].tolist())
    spread = drift([(0.0, 1.0)], [(5.0, 7.0)])["mean_drift"]
    assert spread == pytest.approx(5 / math.sqrt((1 + 49) / 2))


def test_drift_does_not_depend_on_the_unit_of_a_channel():
    before, after = [(0.5, 1.0), (2.0, 3.0)], [(1.0, 1.5), (2.5, 2.0)]
    scaled = [[(8 * mean, 8 * deviation), other] for (mean, deviation), other in (before, after)]
    assert drift(*scaled)["mean_drift"] == pytest.approx(drift(before, after)["mean_drift"])
    assert drift(*scaled)["deviation_drift"] == pytest.approx(drift(before, after)["deviation_drift"])


def test_dead_channels_are_left_out_and_counted():
    alive = drift([(0.0, 1.0)], [(0.3, 1.2)])
    for dead in (((0.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (1.0, 1.0)), ((1.0, 1.0), (0.0, 0.0))):
        found = drift([(0.0, 1.0), dead[0]], [(0.3, 1.2), dead[1]])
        assert found[list(show.DRIFTS)].tolist() == alive[list(show.DRIFTS)].tolist()
        assert found["left_out"] == 0.5
    assert drift([(0.0, 0.0)], [(1.0, 1.0)])[list(show.DRIFTS)].isna().all()


@pytest.mark.parametrize("broken", [(np.nan, np.nan), (np.inf, np.inf), (np.inf, np.nan)])
def test_a_layer_with_a_channel_that_is_not_finite_has_no_drift(broken):
    found = drift([(0.0, 1.0), (0.0, 1.0)], [(0.1, 1.0), broken])
    assert found[list(show.DRIFTS)].isna().all()


def test_drifts_are_between_consecutive_moments_of_one_network():
    found = show.drifts(shifting(scatter=0.0, seeds=2))
    assert len(found) == 2 * 2 * 3 * 2
    assert found[["since", "after"]].drop_duplicates().to_numpy().tolist() == [[0, 0.1], [0.1, 1]]
    medians = found.groupby("normalisation")["deviation_drift"].median()
    assert medians.to_dict() == pytest.approx({"batch": 0.1, "none": 0.2})
    assert show.drifts(shifting(moments=(0.0,))).empty


def test_shifts_have_one_row_per_layer_and_a_relative_change():
    found = show.shifts(shifting(scatter=0.0))
    assert len(found) == 2 * 5 * 3 * 3
    assert found.groupby("normalisation")["relative_change"].first().to_dict() == pytest.approx(
        {"batch": 0.01, "none": 0.02}
    )
    dead = shifting(scatter=0.0).assign(gradient_norm=0.0)
    assert show.shifts(dead)["relative_change"].isna().all()


def test_differences_are_those_within_a_seed_of_the_same_layers():
    table = shifting(scatter=0.0)
    found = show.seed_differences(show.shifts(table), "relative_change")
    assert found.to_numpy() == pytest.approx(np.full(5, math.log(1 / 2)))
    assert show.seed_differences(show.shifts(table), "cosine_gap").to_numpy() == pytest.approx(np.full(5, -0.01))
    # A layer that one of the two lacks counts for neither.
    lost = (table["seed"] == 0) & (table["normalisation"] == "none") & (table["layer"] == 3)
    table.loc[lost, "gradient_change"] = np.nan
    kept = (table["seed"] == 0) & (table["normalisation"] == "batch") & (table["layer"] == 3)
    table.loc[kept, "gradient_change"] *= 1000
    assert show.seed_differences(show.shifts(table), "relative_change")[0] == pytest.approx(math.log(1 / 2))
    with pytest.raises(Undecided, match="no layer has a value"):
        show.seed_differences(show.shifts(table.assign(gradient_change=0.0)), "relative_change")


def test_summary_has_the_middle_layers():
    summary = show.summarise(shifting(scatter=0.0)).set_index(["recipe", "after"])
    assert summary.loc[("none", 1.0), "|G - G'| / |G|"] == "0.02 (0.02 to 0.02)"
    assert summary.loc[("none", 1.0), "drift of the inputs' ln(deviation)"] == "0.2 (0.2 to 0.2)"
    assert summary.loc[("none", 0.0), "drift of the inputs' ln(deviation)"] == "-"
    assert summary.loc[("none", 1.0), "dead channels"] == "0 %"


def test_figure_has_medians_above_and_differences_below():
    axes = show.plot(shifting(scatter=0.0)).axes
    assert len(axes) == 8
    thick = [line for line in axes[1].lines if line.get_linewidth() == 1.9]
    assert [line.get_label() for line in thick] == ["without BN", "with BN"]
    assert thick[0].get_ydata() == pytest.approx([0.2, 0.2])
    (below,) = [line for line in axes[6].lines if line.get_linewidth() == 1.8]
    assert below.get_xdata().tolist() == [2, 3, 4]
    assert below.get_ydata() == pytest.approx([0.5] * 3)
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["0 to\n10", "10 to\n100"]


def test_figure_of_one_recipe_or_moment_has_what_there_is():
    assert len(show.plot(shifting().query("normalisation == 'batch'")).axes) == 4
    assert len(show.plot(shifting(moments=(0.0,))).axes) == 8
