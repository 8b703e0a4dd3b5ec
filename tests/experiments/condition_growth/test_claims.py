"""The claim on the condition number's growth, from lines whose slopes are known."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.condition_growth import claims, show
from repro.experiments.condition_growth.settings import COLUMNS
from repro.random_matrices import condition_decades_per_factor
from repro.results.claims import Scale, judge


def lines(share: float = 1.0, spread: float = 0.02, size: int = 10, draws: int = 5) -> pd.DataFrame:
    """Condition numbers that grow at a share of the asymptotic rate, which differs evenly between draws."""
    rows = []
    for draw, away in enumerate(np.linspace(-spread, spread, draws) if draws > 1 else [0.0]):
        for factors in (1, 4, 16, 32, 64):
            decades = (share + away) * condition_decades_per_factor(size) * factors
            # the growth is not exponential before FIRST_FITTED
            decades = decades + 1 if factors >= show.FIRST_FITTED else 0.0
            rows.append((size, factors, draw, 0.0, -decades, decades))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def judged(table: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    cards, numbers = judge("condition_number", claims.CLAIMS, table, Scale(None, None), "")
    return cards.squeeze(), numbers


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (1.0, "reproduced"),
        (1.05, "reproduced"),
        (0.95, "reproduced"),
        (1.15, "not reproduced"),
        (0.5, "not reproduced"),
    ],
)
def test_growth_is_at_the_rate_of_theory_or_not(share, verdict):
    card, numbers = judged(lines(share))
    assert card["verdict"] == verdict
    assert numbers["value"].tolist() == pytest.approx([share])


def test_every_size_has_its_own_rate():
    both = pd.concat([lines(size=10), lines(size=30)])
    card, numbers = judged(both)
    assert card["verdict"] == "reproduced"
    assert list(numbers["label"]) == ["N = 10", "N = 30"]
    # The rate of another size is not this one's.
    other = condition_decades_per_factor(10) / condition_decades_per_factor(30)
    assert judged(pd.concat([lines(size=10), lines(other, size=30)]))[0]["verdict"] == "not reproduced"


def test_draws_that_differ_widely_are_no_evidence_of_agreement():
    # The rule before this one called it agreement: theory lies within the interval.
    wide = lines(spread=0.4)
    _, low, high = show.fitted_rate(wide)
    assert low < condition_decades_per_factor(10) < high
    assert judged(wide)[0]["verdict"] == "undecided"


def test_one_draw_or_few_factors_are_not_enough():
    card, _ = judged(lines(draws=1))
    assert (card["verdict"], "no interval from 1" in card["because"]) == ("undecided", True)
    card, _ = judged(lines().query("factors < 32"))
    assert (card["verdict"], card["because"]) == ("undecided", "fewer than two numbers of factors from 16 on")


def test_products_of_matrices_grow_as_they_should(growth):
    card, numbers = judged(growth)
    assert card["verdict"] == "reproduced"
    rate, low, high = show.fitted_rate(growth, confidence=0.9)
    found = condition_decades_per_factor(10) * numbers[["value", "low", "high"]].to_numpy()[0]
    assert found == pytest.approx([rate, low, high])
    halved = growth.assign(log10_condition=growth["log10_condition"] / 2)
    assert judged(halved)[0]["verdict"] == "not reproduced"
