"""The landscape's smoothness: what introductions say, in the three measures of Santurkar et al."""

import pandas as pd

from repro.experiments.landscape.show import compared_steps, moment_ratios
from repro.results.cases import moment
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.pairs import compared
from repro.results.statistics import Estimate, Region


def _ratios(table: pd.DataFrame, name: str) -> dict[str, Estimate]:
    moments = sorted(compared_steps(table)["after"].unique())
    if moments[-1] == 0:
        raise Undecided("it takes networks in training")
    ratios = moment_ratios(table, name)
    for after in moments:
        if after not in ratios:
            raise Undecided(f"no seed has a value with BN and without at one moment: {moment(after)}")
    return {moment(after): compared(ratios[after].to_numpy()) for after in moments}


def _loss(table: pd.DataFrame) -> dict[str, Estimate]:
    return _ratios(table, "loss_range")


def _gradient(table: pd.DataFrame) -> dict[str, Estimate]:
    return _ratios(table, "gradient_change")


def _beta(table: pd.DataFrame) -> dict[str, Estimate]:
    return _ratios(table, "effective_beta")


SOURCE = "Santurkar et al. 2018 (arXiv 1805.11604), Section 3, Figure 4"
NEEDS = Needs(
    real_images=True, also="networks with BN and without in training, looked at over steps of the same lengths"
)
WHY = (
    "Smoother means less, by however little, as the sentence has no number. At every moment looked at, as they show it "
    "all along training, and over the same steps with BN and without, as they have it. They chose networks without "
    "residual connections, which smooth too: a small residual network decides about such networks only."
)

CLAIMS = [
    Claim(
        "loss_varies_less_with",
        "introductions",
        "BN makes the landscape smoother: along a gradient step the loss varies less.",
        f"{SOURCE} (a)",
        (
            Condition(
                "ln(range of the loss over the steps) with BN minus without, at each moment, mean over seeds",
                _loss,
                Region(below=0.0),
                WHY,
            ),
        ),
        NEEDS,
    ),
    Claim(
        "gradients_more_predictive_with",
        "introductions",
        "BN makes the landscape smoother: gradients are more predictive, changing less along a gradient step.",
        f"{SOURCE} (b)",
        (
            Condition(
                "ln(largest |g - g'| over the steps) with BN minus without, at each moment, mean over seeds",
                _gradient,
                Region(below=0.0),
                WHY,
            ),
        ),
        NEEDS,
    ),
    Claim(
        "effective_smoothness_with",
        "introductions",
        "BN makes the landscape smoother: along a gradient step the gradient changes less for the distance moved.",
        f"{SOURCE} (c)",
        (
            Condition(
                "ln(largest |g - g'| / (a |g|) over the steps) with BN minus without, at each moment, mean over seeds",
                _beta,
                Region(below=0.0),
                WHY,
            ),
        ),
        NEEDS,
    ),
]
