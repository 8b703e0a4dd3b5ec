"""What dropout gains or loses with batch normalisation and without."""

import pandas as pd

from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs
from repro.results.statistics import Estimate, Region

LARGE = 0.5  # the share that introductions to dropout name


def _less_needed(table: pd.DataFrame) -> Estimate:
    with_, without = (outcomes.gain(table, "dropout", normalisation=kind) for kind in ("batch", "none"))
    outcomes.require_above_zero(without, "without BN some dropout helps")
    return statistics.mean((with_ - without).dropna())


def _change(table: pd.DataFrame, normalisation: str) -> pd.Series:
    return outcomes.change(table, "dropout", 0.0, LARGE, normalisation=normalisation)


def _excess(table: pd.DataFrame) -> Estimate:
    return statistics.mean((_change(table, "batch") - _change(table, "none")).dropna())


NEEDS = Needs(
    real_images=True,
    also=f"training levelled off, at least {outcomes.FEWEST} networks of each; a small network on few images says "
    "how it is there: how much dropout helps depends on how much a network overfits",
)

CLAIMS = [
    Claim(
        "less_dropout_needed_with_bn",
        "introductions",
        "With BN less dropout is needed, or none.",
        "Ioffe and Szegedy 2015 (arXiv 1502.03167), abstract and Section 4.2.1; introductions to BN",
        (
            Condition(
                "gain of test accuracy by the best dropout above 0 with BN minus that without, points, mean over seeds",
                _less_needed,
                Region(below=0.0),
                "The claim is a direction. Ours: need is what the best share above 0 gains over none, each network's "
                "best chosen by the others; a best share itself comes from a grid and has no honest interval. Where "
                "without BN no dropout helps there is no need that could be less: undecided.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "dropout_hurts_with_bn",
        "introductions",
        "Dropout and BN together hurt: a network with BN is worse with dropout than without.",
        "Li et al. 2018 (arXiv 1801.05134), abstract, of dropout before a BN layer, as it stands here; introductions",
        (
            Condition(
                f"test accuracy with BN at dropout {LARGE:g} minus that at 0, points, mean over seeds",
                lambda table: statistics.mean(_change(table, "batch")),
                Region(below=0.0),
                f"The claim is a direction. Li et al. explain it by variances that differ between training and test, "
                f"the more the larger the share: {LARGE:g} is the largest.",
            ),
            Condition(
                f"change of test accuracy from dropout 0 to {LARGE:g} with BN minus that without, points, mean over "
                "seeds",
                _excess,
                Region(below=0.0),
                "Ours: so much dropout may be too much for a network of any kind; it is together with BN that it hurts "
                "where it costs more than without.",
            ),
        ),
        NEEDS,
    ),
]
