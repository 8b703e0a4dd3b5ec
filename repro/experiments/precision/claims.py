"""Whether the outcome of training depends on the precision of its arithmetic."""

import pandas as pd

from repro.experiments.precision.show import REDUCED, START
from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

MARGIN = 2.0  # points of accuracy


def _change(table: pd.DataFrame, quantity: str) -> dict[str, Estimate]:
    found = {}
    for kind in table["normalisation"].unique():
        change = outcomes.change(table, "precision", START, REDUCED, quantity, normalisation=kind)
        found[str(kind)] = statistics.mean(change)
    if not found:
        raise Undecided("no networks")
    return found


CLAIMS = [
    Claim(
        "precision_does_not_matter",
        "own",
        "Networks end at the same accuracy whether they are trained in bfloat16 or in float32.",
        "What results from machines with bfloat16 arithmetic and from those without need in order to be compared",
        (
            Condition(
                "final test accuracy in bfloat16 minus float32, points, mean over seeds",
                lambda table: _change(table, "test_accuracy"),
                Region(above=-MARGIN, below=MARGIN),
                "Ours: an equivalence within 2 points, the margin of Figure 1's own equivalence.",
            ),
            Condition(
                "final train accuracy in bfloat16 minus float32, points, mean over seeds",
                lambda table: _change(table, "train_accuracy"),
                Region(above=-MARGIN, below=MARGIN),
                "Ours, as for test accuracy.",
            ),
        ),
        Needs(real_images=True, also=f"training levelled off, at least {outcomes.FEWEST} networks of each"),
    )
]
