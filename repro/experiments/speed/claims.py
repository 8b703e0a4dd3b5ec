"""Whether batch normalisation trains faster, and ten times faster."""

import pandas as pd

from repro.experiments.speed.show import ratio, targets
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

FEWEST = 3
ALSO = (
    f"at least {FEWEST} networks of each; what a small network says is of a small network: the paper's is so deep that "
    "without BN it bears only small rates"
)


def _ratios(table: pd.DataFrame) -> dict[str, Estimate]:
    goals = targets(table)
    if not goals:
        raise Undecided("no rate with BN and without at which every network ended above chance")
    found = {f"to {100 * goal:.0f} %": ratio(table, goal) for goal in goals}
    for label, estimate in found.items():
        if estimate.networks < FEWEST:
            raise Undecided(f"{estimate.networks} networks reached it, fewer than {FEWEST} ({label})")
    return found


QUANTITY = (
    "log10 of the updates without BN over those with, each at its fastest rate, until test accuracies half, three "
    "quarters and 95 % of the way from chance to what both reach, mean over seeds"
)

CLAIMS = [
    Claim(
        "trains_faster",
        "introductions",
        "Networks with BN train faster: it takes fewer updates to the same test accuracy.",
        "Ioffe and Szegedy 2015, Section 4.2; introductions to BN",
        (Condition(QUANTITY, _ratios, Region(above=0.0), "The claim is a direction: more than one to one."),),
        Needs(real_images=True, also=ALSO),
    ),
    Claim(
        "trains_ten_times_faster",
        "introductions",
        "Networks with BN train ten times faster, or more.",
        "Introductions to BN, after Ioffe and Szegedy 2015, Section 4.2.2 (14 times fewer steps)",
        (Condition(QUANTITY, _ratios, Region(above=1.0), "Ten times is 1 on this scale."),),
        Needs(real_images=True, also=ALSO),
    ),
]
