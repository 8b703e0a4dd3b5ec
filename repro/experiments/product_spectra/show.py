"""Figure 9, its numbers and the goodness of fit."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.random_matrices import goodness_of_fit, singular_value_law
from repro.results import colours, style

BINS = 50  # of the published histograms: it gives their counts in the first bin
# Read off the published plots, N = 1000, ten draws pooled: M -> right edge, counts in the first bin.
PUBLISHED = {1: (2.0, 265), 3: (3.1, 2150), 5: (3.8, 3830)}


def fit(table: pd.DataFrame, factors: int) -> tuple[float, float]:
    """Median Kolmogorov distance of the drawn spectra to the law, and the p-value of its being that large."""
    size = int(table["size"].iloc[0])
    values = table[table["factors"] == factors].groupby("sample")["singular_value"]
    observed, reference = (values.get_group(sample).to_numpy().reshape(-1, size) for sample in ("drawn", "reference"))
    found = goodness_of_fit(observed, reference, factors)
    return float(np.median(found.distances)), found.p_value


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that the figure shows, without those that only calibrate the fit."""
    return table[table["sample"] == "drawn"]


def _histogram(pooled: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Counts in `BINS` equal bins from 0 to the largest value, and the bins' edges."""
    values = pooled["singular_value"].to_numpy()
    return np.histogram(values, bins=BINS, range=(0, values.max()))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per M the largest value, counts in the first bin and fit: measured, expected from the law, and published."""
    rows = []
    for factors, pooled in drawn(table).groupby("factors"):
        m = int(factors)
        distance, p_value = fit(table, m)
        law = singular_value_law(factors=m)
        counts, edges = _histogram(pooled)
        comparable = pooled["size"].iloc[0] == 1000 and len(pooled) == 10_000
        edge, first = PUBLISHED.get(m, (np.nan, np.nan)) if comparable else (np.nan, np.nan)
        extremes = pooled.groupby("draw")["singular_value"].agg(["min", "max"])
        rows.append(
            {
                "M": m,
                "largest singular value": edges[-1],
                "law's right end": law.support()[1],
                "largest, published": edge,
                "counts in the first bin": float(counts[0]),
                "expected by the law": len(pooled) * float(law.cdf(edges[1])),
                "counts, published": float(first),
                "distance to the law, median": distance,
                "p-value": p_value,
                "log10 condition number, median": float(np.log10(extremes["max"] / extremes["min"]).median()),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Counts per bin, pooled over draws, with the counts that the limiting law expects drawn over them."""
    choices = sorted(table["factors"].unique())
    figure, axes = style.panels(1, len(choices), width=2.6 * len(choices), height=2.6)
    for axis, factors in zip(axes[0], choices, strict=True):
        pooled = drawn(table)[drawn(table)["factors"] == factors]
        counts, edges = _histogram(pooled)
        expected = len(pooled) * np.diff(singular_value_law(factors=int(factors)).cdf(edges))
        axis.stairs(counts, edges, fill=True, color=colours.SKY, label=f"{pooled['draw'].nunique()} draws")
        axis.stairs(expected, edges, color="black", label="limiting law", lw=1)
        distance, p_value = fit(table, int(factors))
        number = f"{factors} matri{'x' if factors == 1 else 'ces'}, N = {pooled['size'].iloc[0]}"
        axis.set_title(f"{number}\ndistance to the law {distance:.4f}, p = {p_value:.2g}", fontsize=8)
        axis.set_xlabel("singular value")
    axes[0, 0].set_ylabel("counts per bin")
    axes[0, -1].legend()
    return figure
