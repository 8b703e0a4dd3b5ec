"""Figure 8: what Theorem 1 says of small singular values."""

import pandas as pd

from repro.experiments.limiting_spectrum.show import exponent
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs
from repro.results.statistics import Estimate, Region


def _exponents_by_formula(table: pd.DataFrame) -> dict[str, Estimate]:
    """The fitted exponent minus -M / (M + 1), by M."""
    laws = {int(str(factors)): law for factors, law in table.groupby("factors")}
    return {f"M = {m}": statistics.exact(exponent(law) + m / (m + 1)) for m, law in laws.items()}


CLAIMS = [
    Claim(
        "density_near_zero",
        "theory",
        "Near zero the density of Theorem 1 goes like x^(-M/(M+1)): every factor makes small singular values more "
        "frequent.",
        "Theorem 1, Figure 8",
        (
            Condition(
                "exponent of the density over the lowest hundredth of the spectrum, fitted, minus -M / (M + 1)",
                _exponents_by_formula,
                Region(above=-0.01, below=0.01),
                "Ours: the exponents of M and M + 1 factors are at least 0.03 apart up to M = 4, so one within 0.01 is "
                "that of its own M.",
            ),
        ),
        Needs(),
    ),
]
