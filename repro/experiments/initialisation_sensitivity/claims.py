"""From how many initialisations networks train with batch normalisation and without."""

import pandas as pd

from repro.experiments.initialisation_sensitivity.show import by_network
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

FEWEST_CELLS = 10


def _compared(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`by_network` with BN and without, of the seeds that have every cell."""
    chosen = table[table["normalisation"].isin(["batch", "none"])]
    if chosen["normalisation"].nunique() < 2:
        raise Undecided("it takes recipes with BN and without")
    found = by_network(chosen)
    if found.empty or found["cells"].max() < FEWEST_CELLS:
        raise Undecided(f"fewer than {FEWEST_CELLS} initialisations with BN and without")
    found = found[found["cells"] == found["cells"].max()]
    return found.loc["batch"], found.loc["none"]


def _share(table: pd.DataFrame) -> Estimate:
    with_, without = _compared(table)
    return statistics.median((with_["share"] - without["share"]).dropna())


def _spread(table: pd.DataFrame) -> Estimate:
    with_, without = _compared(table)
    if (without["share"] == 0).any():
        raise Undecided("without BN networks of a seed train from no initialisation, so that they do not even differ")
    return statistics.median((with_["spread"] - without["spread"]).dropna())


NEEDS = Needs(
    real_images=True,
    also=f"at least 5 seeds and {FEWEST_CELLS} initialisations; what a small network says is of a small network: the "
    "deeper it is without BN, the more a factor on the weights grows",
)
SOURCE = "Ioffe and Szegedy 2015 (arXiv 1502.03167), abstract and Section 3.3; introductions to BN"

CLAIMS = [
    Claim(
        "trains_from_more_initialisations",
        "introductions",
        "With BN one can be less careful about initialisation: networks train from more of them.",
        SOURCE,
        (
            Condition(
                "share of initialisations from which networks train with BN minus that without, median over seeds",
                _share,
                Region(above=0.0),
                "The claim is a direction. Ours: a network trains when its train accuracy after a short training is "
                "above 20 %, twice chance; one that diverges does not. The median, since shares of a few cells are "
                "often equal in all seeds, which leaves Student's interval of a mean none.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "outcome_depends_less_on_initialisation",
        "introductions",
        "With BN the outcome depends less on initialisation.",
        SOURCE,
        (
            Condition(
                "standard deviation of train accuracy over initialisations with BN minus that without, points, median "
                "over seeds",
                _spread,
                Region(below=0.0),
                "The claim is a direction. Ours: a diverged network counts as at chance, 10 %. Networks that all stay "
                "at chance do not differ either, so that without BN some have to train.",
            ),
        ),
        NEEDS,
    ),
]
