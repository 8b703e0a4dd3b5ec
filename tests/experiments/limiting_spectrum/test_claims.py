"""The claim on small singular values, from powers whose exponents are known."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.limiting_spectrum import claims
from repro.experiments.limiting_spectrum.measure import measure
from repro.experiments.limiting_spectrum.settings import COLUMNS, Settings
from repro.results.claims import Scale, judge


def powers(exponents: dict[int, float]) -> pd.DataFrame:
    """Densities that are powers of x; M -> exponent."""
    x = np.logspace(-8, 0, 50)
    parts = [
        pd.DataFrame(
            {
                "factors": m,
                "probability": x,
                "squared_singular_value": x,
                "squared_density": x**exponent,
                "singular_value": np.sqrt(x),
                "density": 1.0,
            }
        )
        for m, exponent in exponents.items()
    ]
    return pd.concat(parts)[list(COLUMNS)]


def verdict(table: pd.DataFrame) -> str:
    cards, _ = judge("fig8", claims.CLAIMS, table, Scale(None, None), "")
    return cards["verdict"].squeeze()


@pytest.mark.parametrize(
    ("exponents", "expected"),
    [
        ({1: -1 / 2, 4: -4 / 5}, "reproduced"),
        ({1: -1 / 2 + 0.009, 4: -4 / 5 - 0.009}, "reproduced"),
        ({1: -1 / 2 + 0.011, 4: -4 / 5}, "not reproduced"),
        ({1: -1 / 2, 4: -5 / 6}, "not reproduced"),  # one factor more
    ],
)
def test_exponents_are_those_of_the_formula_or_not(exponents, expected):
    assert verdict(powers(exponents)) == expected


def test_theorem_1_piles_up_at_zero():
    laws = measure(Settings())
    assert verdict(laws) == "reproduced"
    assert verdict(laws.assign(squared_density=laws["density"])) == "not reproduced"
