"""Internal covariate shift: what introductions say, by its first definition and by that of Santurkar et al."""

import pandas as pd

from repro.experiments.covariate_shift.show import DRIFTS, drifts, seed_differences, shifts
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.pairs import pair
from repro.results.statistics import Estimate, Region


def _in_training(table: pd.DataFrame) -> pd.DataFrame:
    chosen = pair(table)
    if chosen.groupby("normalisation")["after"].nunique().min() < 2:
        raise Undecided("it takes networks with BN and without at two moments of training or more")
    return chosen


def _drift(table: pd.DataFrame) -> dict[str, Estimate]:
    found = drifts(_in_training(table))
    return {label: statistics.mean(seed_differences(found, name).to_numpy()) for name, label in DRIFTS.items()}


def _change(table: pd.DataFrame) -> Estimate:
    return statistics.mean(seed_differences(shifts(_in_training(table)), "relative_change").to_numpy())


def _angle(table: pd.DataFrame) -> Estimate:
    return statistics.mean(seed_differences(shifts(_in_training(table)), "cosine_gap").to_numpy())


NEEDS = Needs(real_images=True, also="networks with BN and without at two moments of training or more")
SMALL = (
    "Any reduction counts, as the claim has no number. A small residual network can show a reduction or its absence in "
    "such networks; that deep ones without residual connections behave alike it cannot."
)

CLAIMS = [
    Claim(
        "inputs_drift_less_with",
        "introductions",
        "BN reduces internal covariate shift, the change in the distribution of layers' inputs during training.",
        "Ioffe and Szegedy 2015 (arXiv 1502.03167), Section 2",
        (
            Condition(
                "ln(drift) of the moments of layers' inputs from one moment of training to the next, relative to their "
                "spread, with BN minus without, mean over layers and moments, then over seeds",
                _drift,
                Region(below=0.0),
                f"{SMALL} Both moments have to drift less, as a distribution changes by either; of distributions of "
                "equal mean and deviation nothing is known.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "gradients_shift_less_with",
        "introductions",
        "BN reduces internal covariate shift, the change of a layer's gradient by the update of the layers before it.",
        "Santurkar et al. 2018 (arXiv 1805.11604), Definition 2.1, who define it so and find no reduction",
        (
            Condition(
                "ln(|G - G'| / |G|) with BN minus without, mean over layers and moments, then over seeds",
                _change,
                Region(below=0.0),
                f"{SMALL} Relative to |G|, as gradients with BN and without differ in size; each network's step is of "
                "its own recipe's rate.",
            ),
            Condition(
                "1 - cosine of G and G' with BN minus without, mean over layers and moments, then over seeds",
                _angle,
                Region(below=0.0),
                "The other of the two measures of Santurkar et al.; any reduction counts.",
            ),
        ),
        NEEDS,
    ),
]
