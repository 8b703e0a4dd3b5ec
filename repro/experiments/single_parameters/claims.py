"""Table 1 for single kernel entries: whether the two distributions lie apart."""

import numpy as np
import pandas as pd

from repro.experiments.single_parameters.settings import column
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided, contrast
from repro.results.statistics import Estimate, Region


def _decades(table: pd.DataFrame, with_: int, without: int) -> dict[str, Estimate]:
    """log10 of a percentile with BN over another without, of the same seed, at each layer."""
    chosen = contrast(table)
    layers = [set(rows["layer"]) for _, rows in chosen.groupby("normalisation")]
    if layers[0] != layers[1]:
        raise Undecided("networks with BN and without have other layers")
    chosen = chosen.set_index(["normalisation", "layer", "seed"]).sort_index()
    with np.errstate(invalid="ignore", divide="ignore"):
        decades = np.log10(chosen.loc["batch", column(with_)]) - np.log10(chosen.loc["none", column(without)])
    return {f"layer {layer}": statistics.median(values) for layer, values in decades.groupby("layer")}


def _medians(table: pd.DataFrame) -> dict[str, Estimate]:
    return _decades(table, 50, 50)


def _ends(table: pd.DataFrame) -> dict[str, Estimate]:
    return _decades(table, 5, 95)


CLAIMS = [
    Claim(
        "single_summands_cancel_with",
        "paper",
        "What Table 1 says on average holds for single parameters: the summands of an entry's gradient cancel with BN "
        "and do not without.",
        "Appendix J",
        (
            Condition(
                "decades from the median entry's mean |d| / |mean d| without BN to that with, median over seeds",
                _medians,
                Region(above=0.0),
                "The paper's statement is a direction; this is the middle of the two distributions.",
            ),
            Condition(
                "decades from the 95 % of entries without BN to the 5 % with, median over seeds",
                _ends,
                Region(above=0.0),
                "Ours: distributions of single entries always overlap somewhere, as the mean of some entry comes to "
                "lie near 0 without BN too; they count as apart where nine tenths of each do not overlap.",
            ),
        ),
        Needs(depth=110, real_images=True, also="at least 5 seeds"),
        recalled=True,
    ),
]
