"""Comparing networks with and without batch normalisation, seed by seed, at every moment of their training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from repro.results import statistics
from repro.results.claims import Undecided
from repro.results.statistics import Estimate


def pair(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the one recipe with batch normalisation everywhere and of the one without any, at all moments.

    `claims.contrast` is the same of untrained networks. In the result `normalisation`, `batch` or `none`, tells the two
    apart. Raises `Undecided` when the table does not have exactly one of each.
    """
    chosen = table[table["normalisation"].isin(["batch", "none"])]
    if list(chosen.groupby("normalisation")["recipe"].nunique()) != [1, 1]:
        raise Undecided("it takes one recipe with BN and one without")
    return chosen


def side_by_side(values: pd.DataFrame, quantity: str, by: Sequence[str]) -> pd.DataFrame:
    """A quantity of the two recipes of `pair`, columns `batch` and `none`, indexed by `seed` and the columns `by`.

    Only where both networks of the seed have it; the quantity may be missing or infinite there.
    """
    keys = ["seed", *by]
    with_, without = (values[values["normalisation"] == kind].set_index(keys)[quantity] for kind in ("batch", "none"))
    return pd.concat({"batch": with_, "none": without}, axis=1, join="inner").sort_index()


def log_ratios(values: pd.DataFrame, quantity: str, by: Sequence[str]) -> pd.Series:
    """ln(with BN / without BN) of a quantity that is not negative, indexed as in `side_by_side`.

    Infinite where one of the two is infinite or zero; missing where one is missing or both are infinite or zero.
    """
    found = side_by_side(values, quantity, by)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.log(found["batch"]) - np.log(found["none"])).rename(quantity)


def compared(differences: ArrayLike) -> Estimate:
    """Student's interval of the mean over seeds; where a value is infinite, the exact one of the median.

    So an overflow counts as what it is, on its side of every threshold, instead of leaving no interval. NaN is left
    out.
    """
    sample = np.asarray(differences, dtype=float)
    return statistics.median(sample) if np.isinf(sample).any() else statistics.mean(sample)
