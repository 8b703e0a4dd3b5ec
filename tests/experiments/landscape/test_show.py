import itertools
import math

import numpy as np
import pandas as pd
import pytest

from repro.experiments.landscape import show
from repro.experiments.landscape.settings import COLUMNS, COMMON, OWN
from repro.results.claims import Undecided
from tests.experiments.tables import keyed

MULTIPLES = (0.5, 2.0, 4.0)


def landscapes(
    loss: float = 0.5,
    gradient: float = 0.5,
    beta: float = 0.5,
    rates: tuple[float, float] = (0.1, 0.1),
    common: float | None = None,
    seeds: int = 5,
    moments: tuple[float, ...] = (0.0, 1.0),
    scatter: float = 0.1,
) -> pd.DataFrame:
    """Networks of whose measures over equal steps those with BN are `loss`, `gradient` and `beta` times the others'.

    Without BN the loss is 2 + a, |g - g'| = 3 a, |g| = 1 for steps a; with BN 2 + `loss` a, 3 `gradient` a, and |g|
    such that the measures have that ratio. `rates` are with and without BN.
    """
    random = np.random.default_rng(0)
    parts = []
    for (kind, rate), seed, after in itertools.product(
        zip(("batch", "none"), rates, strict=True), range(seeds), moments
    ):
        with_ = kind == "batch"
        factors = [
            (own if with_ else 1.0) * math.exp(scatter * random.standard_normal()) for own in (loss, gradient, beta)
        ]
        rows = []
        for steps, chosen in ((OWN, rate), (COMMON, common)):
            for length in [] if chosen is None else [chosen * multiple for multiple in MULTIPLES]:
                known = (2 + factors[0] * length, factors[1] / factors[2], 3 * factors[1] * length)
                rows.append((steps, chosen, length, 2.0, *known))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), kind, seed, after=after))
    return pd.concat(parts, ignore_index=True)


def test_measures_by_hand():
    found = show.measures(landscapes(scatter=0.0))
    assert len(found) == 2 * 5 * 2
    without, with_ = (found[found["normalisation"] == kind].iloc[0] for kind in ("none", "batch"))
    assert without[list(show.MEASURES)].tolist() == pytest.approx([0.4 - 0.05, 3 * 0.4, 3])
    assert with_[list(show.MEASURES)].tolist() == pytest.approx([0.5 * 0.35, 0.5 * 1.2, 0.5 * 3])


def test_each_measure_is_the_largest_over_the_steps():
    rows = [(OWN, 1.0, 1.0, 5.0, 3.0, 2.0, 4.0), (OWN, 1.0, 2.0, 5.0, 1.0, 2.0, 10.0), (OWN, 1.0, 4.0, 5.0, 2.0, 2, 9)]
    (found,) = show.measures(keyed(pd.DataFrame(rows, columns=list(COLUMNS)))).itertuples()
    # Not from the loss at the start, which is 5.
    assert (found.loss_range, found.gradient_change) == (2, 10)
    assert found.effective_beta == 10 / (2 * 2)


@pytest.mark.parametrize("lost", [np.inf, np.nan])
def test_overflow_along_the_step_is_infinite_and_before_it_unknown(lost):
    table = landscapes(seeds=1, moments=(0.0,))
    last = (table["normalisation"] == "none") & (table["step_length"] == table["step_length"].max())
    over = table.assign(
        loss=table["loss"].where(~last, lost), gradient_change=table["gradient_change"].where(~last, lost)
    )
    found = show.measures(over).set_index("normalisation")[list(show.MEASURES)]
    assert np.isinf(found.loc["none"]).all()
    assert np.isfinite(found.loc["batch"]).all()
    without = table["normalisation"] == "none"
    every = over.assign(loss=over["loss"].where(~without, lost))
    assert show.measures(every).set_index("normalisation").loc["none", "loss_range"] == np.inf
    for column, value in (("loss_before", lost), ("gradient_norm", lost), ("gradient_norm", 0.0)):
        unknown = table.assign(**{column: table[column].where(~without, value)})
        found = show.measures(unknown).set_index("normalisation")[list(show.MEASURES)]
        assert found.loc["none"].isna().all()
        assert found.loc["batch"].notna().all()


def test_the_same_steps_are_compared():
    table = landscapes()
    assert len(show.compared_steps(table)) == len(table)
    with pytest.raises(Undecided, match="differ in length"):
        show.compared_steps(landscapes(rates=(0.1, 0.01)))
    both = landscapes(rates=(0.1, 0.01), common=0.05)
    assert set(show.compared_steps(both)["steps"]) == {COMMON}
    other = both.assign(
        step_length=both["step_length"].where(both["normalisation"] == "none", both["step_length"] / 10)
    )
    with pytest.raises(Undecided, match="differ in length"):
        show.compared_steps(other)


def test_ratios_are_within_seeds_at_each_moment():
    found = show.moment_ratios(landscapes(scatter=0.0, loss=0.25), "loss_range")
    assert list(found) == [0, 1]
    for ratios in found.values():
        assert ratios.to_numpy() == pytest.approx(np.full(5, math.log(0.25)))
        assert ratios.index.tolist() == list(range(5))


def test_summary_says_which_steps():
    summary = show.summarise(landscapes(scatter=0.0, rates=(0.1, 0.01), common=0.05, seeds=4))
    row = summary.set_index(["recipe", "after", "steps"]).loc[("none", 0.0, OWN)]
    assert row["lengths"] == "0.005 to 0.04"
    assert row["effective beta-smoothness"] == "3 (3 to 3)"
    assert len(summary) == 2 * 2 * 2
    lost = show.summarise(landscapes(seeds=2).assign(loss_before=np.nan))
    assert (lost["range of the loss, nats"] == "-").all()


def test_figure_has_medians_above_and_ratios_below():
    axes = show.plot(landscapes(scatter=0.0)).axes
    assert len(axes) == 6
    thick = [line for line in axes[0].lines if line.get_linewidth() == 1.9]
    assert thick[0].get_ydata() == pytest.approx([0.35] * 2)  # without BN; the first case is drawn last
    assert thick[1].get_ydata() == pytest.approx([0.175] * 2)
    squares = [line for line in axes[5].lines if line.get_marker() == "s"]
    assert [line.get_ydata()[0] for line in squares] == pytest.approx([0.5] * 2)


def test_figure_without_a_pair_of_equal_steps_has_one_row():
    assert len(show.plot(landscapes(rates=(0.1, 0.01))).axes) == 3
    assert len(show.plot(landscapes().query("normalisation == 'none'")).axes) == 3


def test_figure_marks_overflows_and_draws_own_steps_dashed():
    table = landscapes(rates=(0.1, 0.01), common=0.05)
    table.loc[(table["seed"] == 0) & (table["normalisation"] == "none"), "loss"] = np.inf
    axes = show.plot(table).axes
    assert len(axes) == 6
    assert sum(line.get_linestyle() == "--" for line in axes[0].lines) == 2
    crosses = [line for line in axes[0].lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in crosses] == [[0, 1]]
