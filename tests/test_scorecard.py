"""Verdicts of the shipped scorecard, recomputed from the shipped tables with pandas alone.

Nothing of the package is imported: each claim is a few lines that a reader could write, and the interval of a median is
the order statistics of its textbook.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
CARDS = pd.read_csv(PUBLISHED / "scorecard.csv").set_index("claim")


def read(name: str) -> pd.DataFrame:
    (path,) = (path for path in PUBLISHED.glob(f"{name}.*") if path.suffix in (".csv", ".parquet"))
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def interval(values: pd.Series) -> tuple[float, float]:
    """90 %: the narrowest pair of order statistics beyond either of which the median lies in at most 5 % of cases."""
    ordered, count = np.sort(values.to_numpy(dtype=float)), len(values)
    tails = np.cumsum([math.comb(count, below) / 2**count for below in range(count)])
    left_out = int(np.sum(tails <= 0.05)) - 1  # values that may be left out at either end
    return (ordered[left_out], ordered[count - 1 - left_out]) if left_out >= 0 else (math.nan, math.nan)


def verdict(*conditions: tuple[pd.Series, float, float]) -> str:
    """Of medians over networks, each with the region that its interval has to lie in."""
    inside, outside = [], []
    for values, above, below in conditions:
        low, high = interval(values)
        inside.append(low > above and high < below)
        outside.append(high <= above or low >= below)
    return "not reproduced" if any(outside) else "reproduced" if all(inside) else "undecided"


def pair(table: pd.DataFrame, values: str) -> pd.DataFrame:
    return table.pivot(index="seed", columns="normalisation", values=values)


def gradients_larger_without() -> str:
    widths = read("gradient_histogram").groupby(["seed", "normalisation"])["gradient"].std().unstack()
    return verdict((widths["none"] / widths["batch"], 10, math.inf))


def gradients_heavy_tailed_without() -> str:
    tails = read("gradient_histogram").groupby(["seed", "normalisation"])["gradient"].apply(pd.Series.kurt).unstack()
    return verdict((tails["none"], 3, math.inf), (tails["none"] - 2 * tails["batch"], 0, math.inf))


def one_class_without() -> str:
    table = read("output_gradients")
    keys = ["normalisation", "seed"]
    means = table.groupby([*keys, "class"])["probability"].mean()
    favourite = means.groupby(keys).idxmax().map(lambda place: place[2]).rename("favourite").reset_index()
    own = table.merge(favourite, on=keys).query("`class` == favourite")
    pushed = (
        (own["gradient"] * own["image"].nunique() > 0.5).groupby([own["seed"], own["normalisation"]]).mean().unstack()
    )
    sure = means.groupby(keys).max().unstack("normalisation")
    difference = sure["none"] - sure["batch"]
    return verdict((pushed["none"], 0.5, math.inf), (pushed["batch"], -math.inf, 0.5), (difference, 0, math.inf))


def deviations_grow_without() -> str:
    table = read("activation_growth")
    logs = np.log(table["variance"]).div(2).groupby([table["normalisation"], table["seed"], table["layer"]]).mean()
    by_layer = logs.unstack().iloc[:, :-1]
    rise = by_layer.iloc[:, -10:].mean(axis=1) - by_layer.iloc[:, :10].mean(axis=1)
    return verdict((rise["none"] - rise["batch"], 1, math.inf), (rise["batch"], -math.inf, 1))


def gradient_low_rank_without() -> str:
    def rank(rows: pd.DataFrame) -> float:
        sizes = np.linalg.svd(rows.pivot(index="input_channel", columns="output_channel", values="magnitude"))[1]
        shares = sizes / sizes.sum()
        return float(np.exp(-np.sum(shares * np.log(shares))))

    ranks = (
        read("channel_gradients")
        .groupby(["seed", "normalisation"])[["input_channel", "output_channel", "magnitude"]]
        .apply(rank)
    )
    by_kind = ranks.unstack()
    return verdict((by_kind["none"], -math.inf, 3), (by_kind["batch"] / by_kind["none"], 2, math.inf))


def few_channels_dominate_without() -> str:
    table = read("channel_gradients")
    sums = table.groupby(["seed", "normalisation", "input_channel"])["magnitude"].sum().unstack()
    share = (sums.max(axis=1) / sums.sum(axis=1)).unstack()
    return verdict((share["none"] / share["batch"], 2, math.inf))


def dominant_channels_have_large_means() -> str:
    table = (
        read("channel_gradients").query("normalisation == 'none'").assign(mean=lambda rows: rows["input_mean"].abs())
    )
    by_channel = table.groupby(["seed", "input_channel"])[["magnitude", "mean"]].agg(
        {"magnitude": "sum", "mean": "first"}
    )
    ranks = by_channel.groupby("seed").rank()
    correlation = ranks.groupby("seed")[["magnitude", "mean"]].apply(lambda rows: np.corrcoef(rows.T)[0, 1])
    return verdict((correlation, 0.8, math.inf))


def summands_cancel_with() -> str:
    table = (
        read("input_independence").query("normalisation == 'batch'").assign(ratio=lambda rows: rows["a"] / rows["b"])
    )
    recalled = {18: 251.8, 54: 112.8, 90: 40.7}
    layers = [np.log10(rows["ratio"] / recalled[layer]) for layer, rows in table.groupby("layer")]
    return verdict(*((decades, -0.5, 0.5) for decades in layers))


def summands_push_same_way_without() -> str:
    table = read("input_independence").query("normalisation == 'none'").assign(ratio=lambda rows: rows["a"] / rows["b"])
    return verdict(*((rows["ratio"], -math.inf, 6) for _, rows in table.groupby("layer")))


def means_take_both_signs() -> str:
    table = read("diverging_update")
    assert np.isfinite(table["mean"]).all()
    end = table[table["position"] == 1].groupby(["layer", "seed"])["mean"].agg(["min", "max"])
    lowest = [(rows["min"], -math.inf, 0) for _, rows in end.groupby("layer")]
    return verdict(*lowest, *((rows["max"], 0, math.inf) for _, rows in end.groupby("layer")))


def channels_worse_in_every_stage() -> str:
    table = read("channel_conditioning").query("normalisation == 'none'")
    conditions = table.pivot(index="seed", columns="layer", values="condition_second_moment")
    found = []
    for first in (2, 38, 74):
        begin, end = ([first + place + k for k in range(4)] for place in (0, 32))
        rise = np.log10(conditions[end].median(axis=1) / conditions[begin].median(axis=1))
        found.append((rise, 0, math.inf))
    return verdict(*found)


def more_factors_worse_conditioned() -> str:
    table = read("product_spectra").query("sample == 'drawn'")
    ends = table.groupby(["draw", "factors"])["singular_value"].agg(["min", "max"])
    decades = np.log10(ends["max"] / ends["min"]).unstack()
    steps = decades.diff(axis=1).iloc[:, 1:]
    return verdict(*((steps[factors], 0, math.inf) for factors in steps))


RECOMPUTED: list[Callable[[], str]] = [
    gradients_larger_without,
    gradients_heavy_tailed_without,
    one_class_without,
    deviations_grow_without,
    gradient_low_rank_without,
    few_channels_dominate_without,
    dominant_channels_have_large_means,
    summands_cancel_with,
    summands_push_same_way_without,
    means_take_both_signs,
    channels_worse_in_every_stage,
    more_factors_worse_conditioned,
]


@pytest.mark.parametrize("claim", RECOMPUTED, ids=lambda claim: claim.__name__)
def test_the_shipped_verdict_can_be_recomputed(claim: Callable[[], str]):
    assert claim() == CARDS.loc[claim.__name__, "verdict"]


@pytest.mark.parametrize(("count", "expected"), [(4, None), (5, (1, 5)), (8, (2, 7)), (20, (6, 15))])
def test_the_interval_of_a_median_is_the_tables(count: int, expected: tuple[int, int] | None):
    """Conover's table of the sign test at 5 % one-sided: 0 of 5, 1 of 8, 5 of 20."""
    found = interval(pd.Series(range(1, count + 1)))
    assert np.isnan(found).all() if expected is None else found == expected
