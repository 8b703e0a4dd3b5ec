"""Claims on toy networks, from spectra whose condition numbers and laws are known."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.product_analogy import claims
from repro.experiments.product_analogy.settings import COLUMNS
from repro.random_matrices import singular_value_law
from repro.results.claims import Scale, judge

LAW, RELU, SHORTCUTS = (claim.identifier for claim in claims.CLAIMS)
WIDTH = 100


def spectrum(values: np.ndarray, kind: str, matrices: int, draw: int, initialisation: str) -> pd.DataFrame:
    keys = {"kind": kind, "initialisation": initialisation, "width": WIDTH, "matrices": matrices, "draw": draw}
    return pd.DataFrame({"singular_value": values}).assign(**keys)[list(COLUMNS)]


def linear(bends: list[float], initialisation: str = "xavier_normal", scale: float = 7.0) -> pd.DataFrame:
    """Spectra that follow the law of their number of matrices up to a scale, or, bent, do not."""
    parts = []
    for draw, bend in enumerate(bends):
        for matrices in (1, 4):
            even = singular_value_law(factors=matrices).ppf((np.arange(WIDTH) + 0.5) / WIDTH)
            parts.append(spectrum(scale * even**bend, "linear", matrices, draw, initialisation))
    return pd.concat(parts)


def growing(kind: str, rates: list[float], depths: tuple[int, ...] = (2, 8, 16, 32), **keys) -> pd.DataFrame:
    """Condition numbers that grow by `rates` decades per matrix, one rate for each draw."""
    initialisation = keys.get("initialisation", "xavier_normal")
    parts = [
        spectrum(np.array([1.0, 10 ** (-rate * matrices)]), kind, matrices, draw, initialisation)
        for draw, rate in enumerate(rates)
        for matrices in depths
    ]
    return pd.concat(parts)


def judged(*parts: pd.DataFrame) -> tuple[dict[str, str], pd.DataFrame]:
    cards, numbers = judge("analogy", claims.CLAIMS, pd.concat(parts), Scale(None, None), "")
    return dict(zip(cards["claim"], cards["verdict"], strict=True)), numbers.set_index("claim")


def verdict(claim: str, *parts: pd.DataFrame) -> str:
    return judged(*parts)[0][claim]


STRAIGHT, BENT = [1.0] * 5, [0.5] * 5


def test_a_linear_networks_spectrum_follows_the_law_or_does_not():
    assert verdict(LAW, linear(STRAIGHT)) == "reproduced"
    assert verdict(LAW, linear(STRAIGHT, scale=1e-9)) == "reproduced"
    assert verdict(LAW, linear(BENT)) == "not reproduced"
    assert verdict(LAW, linear([1.0, 1.0, 1.0, 0.5, 0.5])) == "undecided"
    assert verdict(LAW, linear(STRAIGHT[:4])) == "undecided"


def test_every_initialisation_has_to_follow_it():
    others = [linear(STRAIGHT, initialisation) for initialisation in ("kaiming_normal", "pytorch_default")]
    assert verdict(LAW, linear(STRAIGHT), *others) == "reproduced"
    assert verdict(LAW, linear(STRAIGHT), others[0], linear(BENT, "pytorch_default")) == "not reproduced"
    # Orthogonal matrices are no Gaussian ones.
    assert verdict(LAW, linear(STRAIGHT), linear(BENT, "orthogonal")) == "reproduced"
    assert verdict(LAW, linear(STRAIGHT, "orthogonal")) == "undecided"


LINEAR = [1.0, 1.1, 1.2, 1.3, 1.4]


@pytest.mark.parametrize(("claim", "kind"), [(RELU, "relu"), (SHORTCUTS, "shortcut_relu")])
def test_growth_is_at_least_half_the_linear_networks_or_is_not(claim, kind):
    product = growing("linear", LINEAR)

    def share(*shares: float) -> str:
        return verdict(claim, product, growing(kind, [a * b for a, b in zip(LINEAR, shares, strict=True)]))

    assert share(0.6, 0.7, 0.8, 0.9, 1.0) == "reproduced"
    assert share(0.1, 0.2, 0.3, 0.4, 0.49) == "not reproduced"
    assert share(0.3, 0.4, 0.6, 0.7, 0.8) == "undecided"
    assert verdict(claim, product, growing(kind, LINEAR[:4])) == "undecided"


def test_draws_with_the_same_weights_are_compared():
    _, numbers = judged(growing("linear", LINEAR), growing("relu", [0.6 * rate for rate in LINEAR]))
    # The rates differ by 40 %; their shares do not at all.
    assert numbers.loc[RELU, ["value", "low", "high"]].tolist() == pytest.approx([0.6] * 3)


def test_growth_needs_two_depths_of_both_kinds():
    shallow = {"depths": (2, 8)}
    for parts in (
        (growing("linear", LINEAR, **shallow), growing("relu", LINEAR)),
        (growing("linear", LINEAR), growing("relu", LINEAR, **shallow)),
        (growing("linear", LINEAR),),
        (growing("relu", LINEAR),),
    ):
        assert verdict(RELU, *parts) == "undecided"


def test_growth_is_that_of_the_first_initialisation():
    first = [growing(kind, LINEAR) for kind in ("linear", "relu")]
    other = [growing("linear", LINEAR, initialisation="orthogonal")]
    other.append(growing("relu", [0.01] * 5, initialisation="orthogonal"))
    assert verdict(RELU, *first, *other) == "reproduced"
    assert verdict(RELU, *other, *first) == "not reproduced"


def test_toy_networks_are_judged(table):
    # Four draws: too few for any of the claims, however clear.
    assert set(judged(table)[0].values()) == {"undecided"}
    again = table.assign(draw=table["draw"] + 4)
    assert judged(table, again)[0] == {LAW: "reproduced", RELU: "not reproduced", SHORTCUTS: "not reproduced"}
