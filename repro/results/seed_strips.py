"""One value per network, case beside case: every seed's value and their median."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from repro.results.cases import Case


def strips(axis: Axes, found: list[Case], values: pd.DataFrame, column: str) -> None:
    """For each case its seeds' values of `column` as dots, a little apart from left to right, and a bar, the median.

    `values`: one row per case and seed, with the columns that tell cases apart.
    """
    for place, case in enumerate(found):
        chosen = case.rows(values)[column]
        axis.plot(place + offsets(len(chosen)), chosen, "o", ms=4, color=case.colour, alpha=0.7, mec="none")
        axis.hlines(chosen.median(), place - 0.38, place + 0.38, color="0.2", lw=1.5)
    axis.set_xlim(-0.5, len(found) - 0.5)
    labels = [textwrap.fill(case.label, 12 if len(found) <= 3 else 30) for case in found]
    slanted: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if len(found) > 3 else {}
    axis.set_xticks(range(len(found)), labels, **slanted)


def offsets(count: int) -> np.ndarray:
    """Where the dots of a case stand beside its place, in order."""
    return 0.3 * np.linspace(-1, 1, count) * (count > 1)
