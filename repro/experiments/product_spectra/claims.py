"""Figure 9: products of Gaussian matrices against Theorem 1, and the published histograms."""

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from repro.experiments.product_spectra.show import BINS, PUBLISHED, drawn
from repro.random_matrices import distance_to_law, singular_value_law
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, RuleChange, Undecided
from repro.results.published_values import PublishedValue
from repro.results.statistics import Estimate, Region


def _spectra(table: pd.DataFrame) -> Iterator[tuple[int, pd.Series]]:
    """M, and the singular values by draw."""
    for factors, own in drawn(table).groupby("factors"):
        yield int(str(factors)), own.set_index("draw")["singular_value"]


def _edges(table: pd.DataFrame) -> dict[str, Estimate]:
    """How far the largest value is from the law's right end, as a share of it, in units of N^(-2/3), by M."""
    unit = int(table["size"].iloc[0]) ** (-2 / 3)
    return {
        f"M = {m}": statistics.median(
            (values.groupby("draw").max() / singular_value_law(factors=m).support()[1] - 1) / unit
        )
        for m, values in _spectra(table)
    }


def _distances(table: pd.DataFrame) -> dict[str, Estimate]:
    """N times Kolmogorov's distance of each spectrum to the law, by M."""
    found = {}
    for m, values in _spectra(table):
        distances = [float(distance_to_law(own.to_numpy(), m)) for _, own in values.groupby("draw")]
        found[f"M = {m}"] = statistics.median(int(table["size"].iloc[0]) * np.array(distances))
    return found


def _worse_with_each(table: pd.DataFrame) -> dict[str, Estimate]:
    """By how many decades the condition number rises from each M to the next, draw by draw."""
    decades = {}
    for m, values in _spectra(table):
        by_draw = values.groupby("draw")
        decades[m] = np.log10(by_draw.max()) - np.log10(by_draw.min())
    choices = sorted(decades)
    if len(choices) < 2:
        raise Undecided("only one number of factors")
    return {
        f"M = {few} to {more}": statistics.median(decades[more] - decades[few])
        for few, more in itertools.pairwise(choices)
    }


CLAIMS = [
    Claim(
        "spectra_end_where_the_law_ends",
        "theory",
        "The spectra follow the limiting law up to its right end.",
        "Theorem 1, Figure 9",
        (
            Condition(
                "largest singular value's distance from the law's right end, as a share of it, in units of N^(-2/3), "
                "median over draws",
                _edges,
                Region(above=-3.0, below=3.0),
                "N^(-2/3) is the scale of the largest value's fluctuations. Up to M = 5 their mean is above -1.4 and "
                "their standard deviation below 1.4 (Tracy-Widom law): the median stays within three, 3 % at N = 1000.",
            ),
        ),
        Needs(also="five draws"),
        history=(
            RuleChange(
                "2026-11-24",
                "the largest value of all draws lies within a share 3 N^(-2/3) of the law's right end",
                "The largest of all draws lies further out the more draws are measured, and had no interval; the "
                "interval of the median over draws decides now.",
                "reproduced",
            ),
        ),
    ),
    Claim(
        "spectra_fit_the_law",
        "theory",
        "The whole spectra fit it.",
        "Theorem 1, Figure 9",
        (
            Condition(
                "N times Kolmogorov's distance of a spectrum to the limiting law, median over draws",
                _distances,
                Region(below=5.0),
                "Ours: at finite N a spectrum differs from its limit by the order of 1/N; other Gaussian products of "
                "N = 1000, drawn for this, are between 2/N and 5/N away. The laws of M and M + 1 factors are at least "
                "0.05 apart up to M = 5, ten times this bound at N = 1000.",
            ),
        ),
        Needs(also="five draws"),
        history=(
            RuleChange(
                "2026-11-24",
                "Kolmogorov's distance to the law is not larger than that of other Gaussian products, by a rank test "
                "at the 1 % level over all M",
                "A test that does not reject shows no fit: the fewer draws, the surer the verdict. The distance now "
                "has to be shown to be small; the figure's summary keeps the test's p-value.",
                "reproduced",
            ),
        ),
    ),
    Claim(
        "more_factors_worse_conditioned",
        "theory",
        "A product of more matrices is worse conditioned.",
        "Section 5",
        (
            Condition(
                "rise of log10 of the condition number from each number of factors to the next, median over draws, "
                "decades",
                _worse_with_each,
                Region(above=0.0),
                "Worse means larger; every step from one number of factors to the next has to show it.",
            ),
        ),
        Needs(also="two numbers of factors and five draws"),
        recalled=True,
        history=(
            RuleChange(
                "2026-11-24",
                "the medians over draws rise with the number of factors",
                "The medians were compared without their uncertainty; the interval of the rise decides now.",
                "reproduced",
            ),
        ),
    ),
]


def published(table: pd.DataFrame) -> list[PublishedValue]:
    """Read off Figure 9: where the histograms end, and their first bins' counts; nothing where N is not 1000.

    Ten draws are pooled there; here each draw has its own largest value, and ten times its own count in that bin.
    """
    found = []
    for m, values in _spectra(table):
        if m not in PUBLISHED or table["size"].iloc[0] != 1000:
            continue
        edge, count = PUBLISHED[m]
        by_draw = values.groupby("draw")
        low = (values < values.max() / BINS).groupby("draw").sum()
        matrices = "one matrix" if m == 1 else f"{m} matrices"
        found += [
            PublishedValue(
                f"largest singular value, {matrices} (published: of ten products together)",
                edge,
                "read off",
                by_draw.max().to_numpy(),
                error=0.1,
            ),
            PublishedValue(
                f"singular values in the first of {BINS} bins, {matrices}, per ten products",
                count,
                "read off",
                10.0 * low.to_numpy(),
            ),
        ]
    return found
