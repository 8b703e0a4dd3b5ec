"""Whether layers learn more independently with batch normalisation."""

import numpy as np
import pandas as pd

from repro.experiments.layer_coupling.show import masses
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.pairs import compared, log_ratios, pair, side_by_side
from repro.results.statistics import Estimate, Region

NEEDS = Needs(real_images=True, also="networks with BN and without, at two moments of training or more")


def _masses(table: pd.DataFrame) -> pd.DataFrame:
    chosen = pair(table)
    if chosen.groupby("normalisation")["after"].nunique().min() < 2:
        raise Undecided("it takes networks with BN and without at two moments of training or more")
    return masses(chosen)


def _by_seed(differences: pd.Series) -> pd.Series:
    """The mean over moments of each seed; missing where one is."""
    return differences.groupby("seed").agg(lambda values: values.mean(skipna=False))


def _share(table: pd.DataFrame) -> Estimate:
    found = side_by_side(_masses(table), "share", ["after"])
    return statistics.mean(_by_seed(found["batch"] - found["none"]))


def _others(table: pd.DataFrame) -> Estimate:
    return compared(_by_seed(log_ratios(_masses(table), "others", ["after"]).replace([np.inf, -np.inf], np.nan)))


CLAIMS = [
    Claim(
        "layers_less_coupled",
        "introductions",
        "With BN each layer learns more independently of the others.",
        "Introductions to BN",
        (
            Condition(
                "share of a step's relative changes of gradients that is in other layers than the one that moved, with "
                "BN minus without, mean over moments, then over seeds",
                _share,
                Region(below=0.0),
                "Any reduction counts, as the claim has no number. As a share, so that the size of the step, which "
                "differs between the two, matters little.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "others_disturbed_less",
        "own",
        "With BN a step of one layer changes the gradients of the others less.",
        "The claim on independence, read as what happens in training",
        (
            Condition(
                "ln of the relative change of other layers' gradients, mean over pairs of layers, with BN minus "
                "without, mean over moments, then over seeds",
                _others,
                Region(below=0.0),
                "Any reduction counts. Each network's step is of its own recipe's rate.",
            ),
        ),
        NEEDS,
    ),
]
