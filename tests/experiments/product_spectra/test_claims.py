"""Claims on products of matrices, from spectra that lie where the law has them, or elsewhere; published values."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.product_spectra import claims
from repro.experiments.product_spectra.settings import COLUMNS
from repro.random_matrices import singular_value_law
from repro.results.claims import Scale, judge
from repro.results.published_values import compare

NONE = Scale(None, None)
EDGES, FIT, CONDITION = (claim.identifier for claim in claims.CLAIMS)
SIZE = 100


def even_spectra(factors: int, stretches: list[float], bend: float = 1.0) -> pd.DataFrame:
    """Spectra as even as the law's quantiles, each draw stretched by a number."""
    even = singular_value_law(factors=factors).ppf((np.arange(SIZE) + 0.5) / SIZE)
    parts = [
        pd.DataFrame(
            {"size": SIZE, "factors": factors, "sample": "drawn", "draw": draw, "singular_value": stretch * even**bend}
        )
        for draw, stretch in enumerate(stretches)
    ]
    return pd.concat(parts)[list(COLUMNS)]


TRUE = [0.98, 0.99, 1.0, 1.0, 1.01]


def verdicts(*parts: pd.DataFrame) -> dict[str, str]:
    cards, _ = judge("fig9", claims.CLAIMS, pd.concat(parts), NONE, "")
    return dict(zip(cards["claim"], cards["verdict"], strict=True))


def test_spectra_that_lie_where_the_law_has_them():
    assert verdicts(even_spectra(1, TRUE), even_spectra(3, TRUE)) == dict.fromkeys(
        (EDGES, FIT, CONDITION), "reproduced"
    )


def test_spectra_that_are_stretched_do_not_follow_the_law():
    found = verdicts(even_spectra(1, TRUE), even_spectra(3, [1.25 * each for each in TRUE]))
    assert (found[EDGES], found[FIT]) == ("not reproduced", "not reproduced")


def test_spectra_of_another_number_of_factors_do_not_fit():
    assert verdicts(even_spectra(1, TRUE).assign(factors=2))[FIT] == "not reproduced"
    assert verdicts(even_spectra(4, TRUE).assign(factors=5))[FIT] == "not reproduced"


def test_draws_that_disagree_leave_it_undecided():
    found = verdicts(even_spectra(1, [1.0, 1.0, 1.0, 1.3, 1.3]), even_spectra(3, TRUE))
    assert (found[EDGES], found[FIT], found[CONDITION]) == ("undecided", "undecided", "reproduced")


def test_four_draws_are_too_few():
    assert set(verdicts(even_spectra(1, TRUE[:4]), even_spectra(3, TRUE[:4])).values()) == {"undecided"}


def test_more_factors_may_be_better_conditioned():
    # Condition numbers are brought back to below those of one matrix.
    assert verdicts(even_spectra(1, TRUE), even_spectra(3, TRUE, bend=0.1))[CONDITION] == "not reproduced"
    assert verdicts(even_spectra(1, TRUE))[CONDITION] == "undecided"
    same = even_spectra(1, TRUE)
    assert verdicts(same, same.assign(factors=3))[CONDITION] == "not reproduced"  # no better and no worse


def test_products_of_gaussian_matrices_follow_the_law(spectra):
    reference = spectra[spectra["sample"] == "reference"]
    assert set(verdicts(reference.assign(sample="drawn")).values()) == {"reproduced"}
    # Only what is drawn is judged, and not what calibrates the figure's p-value.
    assert set(verdicts(spectra).values()) == {"undecided"}  # from four draws


def histogram(lows: list[int], largest: list[float], size: int = 1000) -> pd.DataFrame:
    """Draws with a number of values in the first bin, one largest and the others in between."""
    parts = [
        pd.DataFrame(
            {
                "size": size,
                "factors": 1,
                "sample": "drawn",
                "draw": draw,
                "singular_value": [0.01] * low + [1.0] * (size - low - 1) + [end],
            }
        )
        for draw, (low, end) in enumerate(zip(lows, largest, strict=True))
    ]
    return pd.concat(parts)


def test_published_numbers_stand_beside_those_of_each_draw():
    found = compare("fig9", claims.published, histogram([26, 27, 28], [1.9, 2.0, 2.1]), NONE)
    assert list(found["published"]) == [2.0, 265.0]
    assert list(found["measured"]) == [2.0, 270.0]  # per ten draws
    assert list(found["quantile"]) == [0.5, pytest.approx(1 / 3)]
    assert set(found["known"]) == {"read off"}


def test_published_numbers_stand_only_beside_the_published_set_up():
    assert claims.published(histogram([3, 3], [2.0, 2.0], size=100)) == []
    assert claims.published(histogram([3, 3], [2.0, 2.0]).assign(factors=2)) == []
    everything = pd.concat([histogram([3, 3], [2.0, 2.0]).assign(factors=m) for m in (1, 3, 5)])
    values = [each.value for each in claims.published(everything)]
    assert values == [2.0, 265, 3.1, 2150, 3.8, 3830]
