"""What the L2 penalty gains with batch normalisation and without."""

import pandas as pd

from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs
from repro.results.statistics import Estimate, Region


def _less_needed(table: pd.DataFrame) -> Estimate:
    with_, without = (outcomes.gain(table, "weight_decay", normalisation=kind) for kind in ("batch", "none"))
    outcomes.require_above_zero(without, "without BN some penalty helps")
    return statistics.mean((with_ - without).dropna())


CLAIMS = [
    Claim(
        "less_weight_decay_needed_with_bn",
        "introductions",
        "With BN the L2 penalty can be reduced.",
        "Ioffe and Szegedy 2015 (arXiv 1502.03167), Section 4.2.1; introductions to BN",
        (
            Condition(
                "gain of test accuracy by the best penalty above 0 with BN minus that without, points, mean over seeds",
                _less_needed,
                Region(below=0.0),
                "The claim is a direction. Ours: need is what the best penalty above 0 gains over none, each network's "
                "best chosen by the others; a best penalty itself comes from a grid and has no honest interval. Where "
                "without BN no penalty helps there is no need that could be less: undecided.",
            ),
        ),
        Needs(
            real_images=True,
            also=f"training levelled off, at least {outcomes.FEWEST} networks of each; a small network on few images "
            "says how it is there: how much a penalty helps depends on how much a network overfits and how long it "
            "trains",
        ),
    )
]
