"""Figure 8 and its numbers."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from repro.random_matrices import singular_value_law
from repro.results import style


def exponent(law: pd.DataFrame) -> float:
    """Slope of ln density against ln x over the lowest hundredth of the spectrum."""
    low = law[law["probability"] < 0.01]
    return float(stats.linregress(np.log(low["squared_singular_value"]), np.log(low["squared_density"])).slope)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per M the support's right end, the density's exponent at zero, and the share of small singular values."""
    rows = []
    for factors, law in table.groupby("factors"):
        m = int(factors)
        rows.append(
            {
                "M": m,
                "largest singular value": law["singular_value"].max(),
                "formula ((M+1)^(M+1)/M^M)^(1/2)": ((m + 1) ** (m + 1) / m**m) ** 0.5,
                "exponent of the density of x at 0, fitted": exponent(law),
                "formula -M/(M+1)": -m / (m + 1),
                "share of singular values below 0.01": float(singular_value_law(factors=m).cdf(0.01)),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Densities of the squared singular values, the theorem's x (left), and of the singular values (right)."""
    figure, axes = style.panels(1, 2)
    choices = sorted(table["factors"].unique())
    for number, factors in enumerate(choices):
        law = table[table["factors"] == factors]
        colour = style.sequence(len(choices))[number]
        axes[0, 0].plot(law["squared_singular_value"], law["squared_density"], color=colour, label=f"M = {factors}")
        axes[0, 1].plot(law["singular_value"], law["density"], color=colour)
    axes[0, 0].set(
        xscale="log",
        yscale="log",
        xlim=(1e-4, 30),
        ylim=(1e-3, 1e3),
        xlabel=r"$x$, squared singular value",
        ylabel="density",
        title="Theorem 1",
    )
    axes[0, 1].set(
        xlim=(0, None), ylim=(0, 1.2), xlabel=r"$\sqrt{x}$, singular value", ylabel="density", title="singular values"
    )
    axes[0, 0].legend()
    return figure
