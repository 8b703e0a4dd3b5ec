"""Figure 7: the claims, all of them recalled; the paper has a picture, no numbers."""

import pandas as pd

from repro.experiments.channel_gradients.show import concentrations
from repro.results import statistics
from repro.results.claims import EVERY_SEED, Claim, Condition, Needs, RuleChange, Undecided, contrast
from repro.results.statistics import Estimate, Region


def _by_seed(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """A quantity of `concentrations` of the untrained networks, one row per seed, columns `batch` and `none`."""
    return concentrations(contrast(table)).pivot(index="seed", columns="normalisation", values=quantity)


def _median(values: pd.Series) -> Estimate:
    if values.isna().all():
        raise Undecided("no seed with a finite matrix")
    return statistics.median(values)


def _rank_without(table: pd.DataFrame) -> Estimate:
    return _median(_by_seed(table, "effective_rank")["none"])


def _rank_ratio(table: pd.DataFrame) -> Estimate:
    ranks = _by_seed(table, "effective_rank")
    return _median(ranks["batch"] / ranks["none"])


def _share_ratio(table: pd.DataFrame) -> Estimate:
    shares = _by_seed(table, "top_input_share")
    return _median(shares["none"] / shares["batch"])


def _correlation_without(table: pd.DataFrame) -> Estimate:
    return _median(_by_seed(table, "mean_correlation")["none"])


NEEDS = Needs(depth=110, real_images=True)

CLAIMS = [
    Claim(
        "gradient_low_rank_without",
        "paper",
        "Without BN the gradient over input and output channels is nearly of low rank, with BN much less.",
        "Section 3.3, Figure 7",
        (
            Condition(
                "effective rank of M without BN, from its singular values, median over networks",
                _rank_without,
                Region(below=3.0),
                "Ours: less than a tenth of the 32 that it could have; the paper has a picture, no number.",
            ),
            Condition(
                "effective rank with BN over that without, median over seeds",
                _rank_ratio,
                Region(above=2.0),
                "Ours: half of it is much less; the paper has a picture, no number.",
            ),
        ),
        NEEDS,
        recalled=True,
        history=(
            RuleChange(
                "2026-11-24",
                "effective rank, from singular values, below 3 in the median without BN, and in every seed less than "
                "half of that with BN",
                EVERY_SEED,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "few_channels_dominate_without",
        "paper",
        "Without BN some channels dominate the gradient.",
        "Section 3.3, Figure 7",
        (
            Condition(
                "share of M in its strongest input channel, without BN over with BN, median over seeds",
                _share_ratio,
                Region(above=2.0),
                "Ours: a channel stands out that has twice the share of the strongest one with BN; the paper has a "
                "picture, no number.",
            ),
        ),
        NEEDS,
        recalled=True,
        history=(
            RuleChange(
                "2026-11-24",
                "in every seed the strongest input channel's share is more than twice that with BN",
                EVERY_SEED,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "dominant_channels_have_large_means",
        "paper",
        "The channels that dominate without BN are those with a large mean.",
        "Appendix G",
        (
            Condition(
                "rank correlation of an input channel's mean and its share of M without BN, median over networks",
                _correlation_without,
                Region(above=0.8),
                "Ours: a strong correlation; the appendix is recalled, without a number.",
            ),
        ),
        NEEDS,
        recalled=True,
        history=(
            RuleChange(
                "2026-11-24",
                "rank correlation above 0.8, median over seeds",
                "The median had no interval.",
                "reproduced",
            ),
        ),
    ),
]
