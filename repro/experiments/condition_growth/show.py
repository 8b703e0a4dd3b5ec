"""The condition number of a product against its number of factors, and the rate of its growth."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.random_matrices import condition_decades_per_factor, fitted_growth
from repro.results import style

FIRST_FITTED = 16  # factors from which the growth is taken to be exponential


def fitted_rate(table: pd.DataFrame, confidence: float = 0.95) -> tuple[float, float, float]:
    """Slope of log10 condition against M for one size, decades per factor, with its confidence interval.

    From the products with at least `FIRST_FITTED` factors; the interval from the spread between draws. NaN when there
    are fewer than two such numbers of factors or two draws.
    """
    long = table[table["factors"] >= FIRST_FITTED]
    if long["factors"].nunique() < 2 or long["draw"].nunique() < 2:
        return (np.nan, np.nan, np.nan)
    smallest, largest = (
        10 ** long.pivot(index="draw", columns="factors", values=f"log10_{which}") for which in ("smallest", "largest")
    )
    growth = fitted_growth(
        smallest.columns.to_numpy(),
        smallest.to_numpy(),
        largest.to_numpy(),
        size=int(table["size"].iloc[0]),
        confidence=confidence,
    )
    return (growth.slope, growth.low, growth.high)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per N the fitted rate with its interval, beside the asymptotic one."""
    rows = []
    for size, draws in table.groupby("size"):
        rate, low, high = fitted_rate(draws)
        rows.append(
            {
                "N": int(size),
                "largest M": draws["factors"].max(),
                "decades per factor, fitted": rate,
                "95 % from": low,
                "95 % to": high,
                "decades per factor, theory": condition_decades_per_factor(int(size)),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Condition number (left) and both extreme singular values (right) against the number of factors."""
    figure, axes = style.panels(1, 2)
    sizes = sorted(table["size"].unique())
    for number, size in enumerate(sizes):
        colour = style.sequence(len(sizes))[number]
        draws = table[table["size"] == size]
        condition = draws.groupby("factors")["log10_condition"].quantile([0.25, 0.5, 0.75]).unstack()
        axes[0, 0].plot(condition.index, condition[0.5], "o-", ms=3, color=colour, label=f"N = {size}")
        axes[0, 0].fill_between(condition.index, condition[0.25], condition[0.75], color=colour, alpha=0.2, lw=0)
        last, value = condition.index[-1], condition[0.5].iloc[-1]
        theory = value + condition_decades_per_factor(int(size)) * (condition.index - last)
        label = "asymptotic slope" if number == 0 else None
        axes[0, 0].plot(condition.index, theory, ":", color="black", lw=1, label=label)
        for column, style_of_line in (("log10_largest", "-"), ("log10_smallest", "--")):
            medians = draws.groupby("factors")[column].median()
            label = column.removeprefix("log10_") if number == 0 else None
            axes[0, 1].plot(medians.index, medians, style_of_line, color=colour, label=label)
    axes[0, 0].set(xlabel="number of factors M", ylabel=r"$\log_{10}$ condition number", title="condition number")
    axes[0, 1].set(xlabel="number of factors M", ylabel=r"$\log_{10}$ singular value", title="extreme singular values")
    axes[0, 0].legend(title=f"band: quartiles of {table['draw'].nunique()} draws", title_fontsize=7)
    axes[0, 1].legend()
    return figure
