"""One final BN layer against BN everywhere and none, each at its best learning rate."""

import pandas as pd

from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs
from repro.results.statistics import Estimate, Region

ALSO = f"training levelled off, at least {outcomes.FEWEST} networks of each"


def _at_best(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Final test accuracies by seed, per cent, of each normalisation at its best rate."""
    found = {}
    for kind in ("batch", "batch-final", "none"):
        rate = outcomes.best(table, "learning_rate", normalisation=kind)
        found[kind] = outcomes.by_seed(outcomes.trained(table, normalisation=kind, learning_rate=rate))
    return found


def _gain(table: pd.DataFrame) -> Estimate:
    found = _at_best(table)
    return statistics.mean((found["batch-final"] - found["none"]).dropna())


def _whole_gain(table: pd.DataFrame) -> Estimate:
    found = _at_best(table)
    return statistics.mean((found["batch"] - found["none"]).dropna())


def _beyond(share: float, table: pd.DataFrame) -> Estimate:
    """What the final layer gains beyond a share of the whole gain."""
    found = _at_best(table)
    gain, whole = found["batch-final"] - found["none"], found["batch"] - found["none"]
    return statistics.mean((gain - share * whole).dropna())


CLAIMS = [
    Claim(
        "one_final_layer_gains",
        "paper",
        "One batch normalisation after the last residual block alone improves the accuracy over none.",
        "Section 4, Appendix E",
        (
            Condition(
                "final test accuracy with one final BN minus without, each at its best rate, points, mean over seeds",
                _gain,
                Region(above=0.0),
                "The claim is a direction. The best rate of each is chosen by the same accuracies.",
            ),
        ),
        Needs(real_images=True, also=ALSO),
        recalled=True,
    ),
    Claim(
        "final_layer_gives_two_thirds",
        "paper",
        "One batch normalisation after the last residual block gives two thirds of the gain of BN everywhere.",
        "Section 4, Appendix E",
        (
            Condition(
                "final test accuracy with BN everywhere minus without, points, mean over seeds",
                _whole_gain,
                Region(above=0.0),
                "Without a gain there is no share of it.",
            ),
            Condition(
                "gain of one final BN minus half of that of BN everywhere, points, mean over seeds",
                lambda table: _beyond(1 / 2, table),
                Region(above=0.0),
                "Ours: a share between a half and five sixths counts as two thirds; as a difference, since a ratio of "
                "two noisy gains has no honest interval from a few networks.",
            ),
            Condition(
                "gain of one final BN minus five sixths of that of BN everywhere, points, mean over seeds",
                lambda table: _beyond(5 / 6, table),
                Region(below=0.0),
                "Ours, as for the half.",
            ),
        ),
        Needs(depth=110, real_images=True, also=ALSO),
        recalled=True,
    ),
]
