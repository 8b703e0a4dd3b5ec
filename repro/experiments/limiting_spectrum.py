"""Theorem 1 and Figure 8: the limiting spectrum of a product of M random matrices.

`python -m repro measure limiting_spectrum`; a second. Nothing is drawn at random here: the table holds the law itself.
What should come out: with every factor the law stretches to the right and, more so, piles up at zero.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from repro import style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.random_matrices import singular_value_law, squared_singular_value_law

COLUMNS = {
    "factors": "number M of multiplied N x N Gaussian matrices with entries of variance 1/N, N -> infinity",
    "probability": "share of squared singular values up to this one",
    "squared_singular_value": "x, the variable of Theorem 1 (which calls it a singular value)",
    "squared_density": "density of x",
    "singular_value": "square root of x",
    "density": "density of the singular value",
}

POINTS = 400
SMALLEST = 1e-6  # share of the spectrum left out at the lower end, where the densities have no bound


def measure(configuration: Configuration) -> pd.DataFrame:
    """The law's densities at points spread evenly over its support, and finely towards zero, for each M."""
    parts = []
    # Evenly in log-probability below one half, evenly in angle above, where the density ends like a square root.
    tail = np.geomspace(SMALLEST, 0.5, POINTS // 2, endpoint=False)
    probability = np.concatenate([tail, 0.5 + 0.5 * np.sin(np.linspace(0, np.pi / 2, POINTS // 2))])
    for factors in configuration.experiments.limiting_spectrum.factors:
        squared, plain = squared_singular_value_law(factors=factors), singular_value_law(factors=factors)
        values = squared.ppf(probability)
        parts.append(
            pd.DataFrame(
                {
                    "factors": factors,
                    "probability": probability,
                    "squared_singular_value": values,
                    "squared_density": squared.pdf(values),
                    "singular_value": np.sqrt(values),
                    "density": plain.pdf(np.sqrt(values)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _exponent(law: pd.DataFrame) -> float:
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
                "exponent of the density of x at 0, fitted": _exponent(law),
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


def _piles_up_at_zero(table: pd.DataFrame) -> Verdict:
    exponents = {int(factors): _exponent(law) for factors, law in table.groupby("factors")}
    close = all(abs(value + m / (m + 1)) < 0.01 for m, value in exponents.items())
    text = ", ".join(f"{value:.3f} for M = {m}" for m, value in exponents.items())
    return verdict(close, f"exponents {text}")


CLAIMS = [
    Claim(
        "Near zero the density of Theorem 1 goes like x^(-M/(M+1)): every factor makes small singular values more "
        "frequent (fitted exponents within 0.01).",
        "Theorem 1, Figure 8",
        _piles_up_at_zero,
    ),
]
