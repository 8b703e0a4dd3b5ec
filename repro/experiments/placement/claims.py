"""Batch normalisation after the activation against before it."""

import pandas as pd

from repro.experiments.placement.show import AFTER, BEFORE
from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs
from repro.results.statistics import Estimate, Region


def _after(table: pd.DataFrame, *activations: str) -> dict[str, Estimate]:
    """Test accuracy with BN after minus before each activation."""
    found = {}
    for activation in activations:
        after, before = (
            outcomes.trained(table, normalisation=place, activation=activation) for place in (AFTER, BEFORE)
        )
        found[activation] = statistics.mean(outcomes.difference(after, before))
    return found


QUANTITY = "test accuracy with BN after the activation minus before it, points, mean over seeds"
NEEDS = Needs(
    real_images=True,
    also=f"training levelled off, at least {outcomes.FEWEST} networks of each; both at one learning rate, in a "
    "residual network, where BN after the activation also stands after the sum of branch and shortcut",
)

CLAIMS = [
    Claim(
        "bn_after_s_shaped_activations",
        "introductions",
        "BN is better after than before S-shaped activations.",
        "Introductions to BN, such as Brownlee 2019 (recalled); of tanh also `Tanh Works Better with Asymmetry` "
        "(NeurIPS 2023), abstract",
        (
            Condition(
                QUANTITY,
                lambda table: _after(table, "tanh", "sigmoid"),
                Region(above=0.0),
                "The claim is a direction, of both activations.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "bn_before_relu",
        "introductions",
        "BN is better before than after activations that are not S-shaped, such as ReLU.",
        "Introductions to BN, such as Brownlee 2019 (recalled); Ioffe and Szegedy 2015 (arXiv 1502.03167), Section 3.2",
        (
            Condition(
                QUANTITY,
                lambda table: _after(table, "relu"),
                Region(below=0.0),
                "The claim is a direction. ReLU is the only other activation here.",
            ),
        ),
        NEEDS,
    ),
]
