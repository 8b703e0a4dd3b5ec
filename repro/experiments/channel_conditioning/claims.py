"""Channel conditioning: what the first version's abstract says of it, and how we read that."""

import numpy as np
import pandas as pd

from repro.experiments.channel_conditioning.show import stage_ends
from repro.results import statistics
from repro.results.claims import EVERY_SEED, Claim, Condition, Needs, RuleChange, Undecided, contrast
from repro.results.statistics import Estimate, Region


def _rise(table: pd.DataFrame, first: tuple[int, str], last: tuple[int, str]) -> pd.DataFrame:
    """Decades by which the second moments' condition number rises between two ends of stages, as (stage, end).

    One row per seed that has it with and without BN, columns `batch` and `none`.
    """
    ends = stage_ends(contrast(table)).set_index(["stage", "end", "seed", "normalisation"]).sort_index()
    decades = np.log10(ends["condition_second_moment"])
    found = (decades.loc[last] - decades.loc[first]).unstack("normalisation").dropna()
    if found.empty:
        raise Undecided("no seed with finite values with and without BN")
    return found


def _stages(table: pd.DataFrame) -> list[int]:
    return sorted(stage_ends(contrast(table))["stage"].unique())


def _rise_without(table: pd.DataFrame) -> Estimate:
    return statistics.median(_rise(table, (1, "first"), (_stages(table)[-1], "last"))["none"])


def _rise_beyond_with(table: pd.DataFrame) -> Estimate:
    rises = _rise(table, (1, "first"), (_stages(table)[-1], "last"))
    return statistics.median(rises["none"] - rises["batch"])


def _rise_in_stages(table: pd.DataFrame) -> dict[str, Estimate]:
    rises = {stage: _rise(table, (stage, "first"), (stage, "last"))["none"] for stage in _stages(table)}
    return {f"stage {stage}": statistics.median(rise) for stage, rise in rises.items()}


def _rank_ratio(table: pd.DataFrame) -> Estimate:
    ends = stage_ends(contrast(table)).query("end == 'last'")
    last = ends[ends["stage"] == ends["stage"].max()]
    ranks = last.pivot(index="seed", columns="normalisation", values="rank_second_moment").dropna()
    if ranks.empty:
        raise Undecided("no seed with finite values with and without BN")
    return statistics.median(ranks["batch"] / ranks["none"])


SOURCE = "Abstract of the first version"
READING = f"{SOURCE} (our reading)"
NEEDS = Needs(depth=110, real_images=True)

CLAIMS = [
    Claim(
        "channels_worse_with_depth",
        "paper",
        "Channels become ill-behaved with depth in unnormalised networks.",
        SOURCE,
        (
            Condition(
                "decades by which the second moments' condition number rises without BN from the first to the last "
                "four convolutions, median over networks",
                _rise_without,
                Region(above=1.0),
                "Ours: the abstract has no number; more than an order of magnitude.",
            ),
            Condition(
                "the same rise without BN minus with BN, median over seeds",
                _rise_beyond_with,
                Region(above=0.0),
                "The abstract says it of unnormalised networks, so it has to be more than with BN.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "the condition number rises more than tenfold without BN in the median seed, and more than with BN in "
                "every seed",
                EVERY_SEED,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "channels_worse_in_every_stage",
        "own",
        "Channels become increasingly ill-behaved in unnormalised networks, all along the depth: within each of the "
        "three stages.",
        READING,
        (
            Condition(
                "decades by which the second moments' condition number rises without BN from a stage's first to its "
                "last four convolutions, median over networks",
                _rise_in_stages,
                Region(above=0.0),
                "Ours: a strict reading of increasingly, which asks for a rise in each stage and not for its size.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "without BN the condition number rises within each of the three stages in the median seed",
                "The medians had no intervals. Counted as our own: it is a strict reading of the sentence.",
                "not reproduced",
            ),
        ),
    ),
    Claim(
        "deep_channels_collinear_without",
        "own",
        "Deep channels are nearly collinear in unnormalised networks.",
        READING,
        (
            Condition(
                "effective rank of the second moments in the last four convolutions, with BN over without, median over "
                "seeds",
                _rank_ratio,
                Region(above=2.0),
                "Ours: the abstract has no number; less than half of what it is with BN.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "the effective rank is less than half of that with BN in every seed",
                f"{EVERY_SEED} Counted as our own: the abstract says ill-behaved, not collinear.",
                "reproduced",
            ),
        ),
    ),
]
