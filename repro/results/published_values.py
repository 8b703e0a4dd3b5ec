"""What the paper published, beside what was measured here: never mixed, always with how sure either is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from repro.results import statistics
from repro.results.claims import Needs, Scale
from repro.settings.experiment import Column

Known = Literal["read off", "quoted", "recalled"]
NEEDS = Needs(depth=110, real_images=True)


@dataclass(frozen=True)
class PublishedValue:
    """A number of the paper, how we know it, and the same number of each network measured here.

    `read off` the plot, within `error` where the plot is linear; `quoted` from the text; or `recalled`, not confirmed.
    """

    quantity: str
    value: float
    known: Known
    networks: Sequence[float]
    error: float = 0.0  # of reading it off, in its own unit


COLUMNS = {
    "item": Column("figure or table", "text"),
    "quantity": Column("what was published and measured", "text"),
    "published": Column("the paper's value"),
    "known": Column("how we know it: read off the plot, quoted from the text, or recalled and not confirmed", "text"),
    "error": Column("of reading it off, in its own unit"),
    "measured": Column("median over networks"),
    "low": Column("lower end of its 90 % interval"),
    "high": Column("upper end of its 90 % interval"),
    "networks": Column("networks, or draws, measured", "whole"),
    "quantile": Column("share of the networks measured here whose value is below the published one"),
    "inside": Column(
        "1 when the published value, give or take its error, lies within the range of the networks measured here",
        "whole",
    ),
}


def compare(
    item: str, published: Callable[[pd.DataFrame], Sequence[PublishedValue]], table: pd.DataFrame, scale: Scale
) -> pd.DataFrame:
    """One row per value that `published` finds; none where the table is not of the paper's depth and real images.

    A published number of a single network is one draw: the quantile says where it would stand among ours.
    """
    rows = []
    for each in published(table) if not scale.lacks(NEEDS) else ():
        values = np.asarray(each.networks, dtype=float)
        values = values[~np.isnan(values)]
        estimate = statistics.median(values)
        below = (
            (np.sum(values < each.value) + np.sum(values == each.value) / 2) / len(values) if len(values) else math.nan
        )
        inside = bool(len(values)) and bool(values.min() - each.error <= each.value <= values.max() + each.error)
        measured = (estimate.value, estimate.low, estimate.high, len(values))
        rows.append((item, each.quantity, each.value, each.known, each.error, *measured, below, int(inside)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
