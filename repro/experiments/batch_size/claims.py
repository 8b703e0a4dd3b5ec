"""Small mini-batches with batch normalisation, what Batch Renormalization does about them, and the noise."""

import numpy as np
import pandas as pd

from repro.experiments.batch_size.settings import REFERENCE
from repro.experiments.batch_size.show import EPOCHS, UPDATES, protocols
from repro.results import outcomes, statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

SMALL = 8  # images: the largest mini-batch that counts as small
RANGE = 16  # largest size over smallest, from which a slope is worth fitting
RENORMALISED = "batch_renormalisation"


def _sizes(table: pd.DataFrame, *normalisations: str) -> list[int]:
    """The sizes, ascending, that all these normalisations have. Raises `Undecided` when the smallest is not small."""
    found = [set(table.loc[table["normalisation"] == kind, "batch_size"]) for kind in normalisations]
    sizes = sorted(set.intersection(*found))
    if not sizes or sizes[0] > SMALL:
        raise Undecided(f"no mini-batches of at most {SMALL} images with all of {', '.join(normalisations)}")
    return sizes


def _by_protocol(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame, bool]]:
    """Each protocol, its rows, and whether its networks have to have levelled off: where they see equally many images.

    At equal updates small mini-batches are compared at a number of images at which they cannot have.
    """
    found = protocols(table)
    return [(called, found[found["protocol"] == called], called == EPOCHS) for called in (EPOCHS, UPDATES)]


def _small(table: pd.DataFrame) -> dict[str, Estimate]:
    """Test accuracy with BN at the smallest size minus that at the reference."""
    found = {}
    for called, rows, levelled in _by_protocol(table):
        size = _sizes(rows, "batch", "none")[0]
        lost = outcomes.change(rows, "batch_size", REFERENCE, size, levelled=levelled, normalisation="batch")
        found[f"b = {size}, {called}"] = statistics.mean(lost)
    return found


def _small_excess(table: pd.DataFrame) -> dict[str, Estimate]:
    """The same beyond what it is without BN."""
    found = {}
    for called, rows, levelled in _by_protocol(table):
        size = _sizes(rows, "batch", "none")[0]
        with_, without = (
            outcomes.change(rows, "batch_size", REFERENCE, size, levelled=levelled, normalisation=kind)
            for kind in ("batch", "none")
        )
        found[f"b = {size}, {called}"] = statistics.mean((with_ - without).dropna())
    return found


def _renormalised(table: pd.DataFrame) -> dict[str, Estimate]:
    """Test accuracy with Batch Renormalization minus that with BN at the smallest size."""
    found = {}
    for called, rows, levelled in _by_protocol(table):
        size = _sizes(rows, "batch", RENORMALISED)[0]
        renormalised, batch = (
            outcomes.trained(rows, levelled, batch_size=size, normalisation=kind) for kind in (RENORMALISED, "batch")
        )
        found[f"b = {size}, {called}"] = statistics.mean(outcomes.difference(renormalised, batch))
    return found


def _slopes(table: pd.DataFrame, normalisation: str) -> pd.Series:
    """Points by which the gap rises with each doubling of the size, by seed, at equal epochs: least squares."""
    rows = protocols(table).query("protocol == @EPOCHS")
    sizes = _sizes(rows, "batch", "none")
    if sizes[-1] < RANGE * sizes[0]:
        raise Undecided(f"it takes sizes of mini-batches that differ {RANGE}-fold")
    gaps = pd.DataFrame(
        {
            size: outcomes.by_seed(outcomes.trained(rows, batch_size=size, normalisation=normalisation), "gap")
            for size in sizes
        }
    ).dropna()
    return pd.Series(np.polyfit(np.log2(sizes), gaps.to_numpy().T, 1)[0], index=gaps.index)


def _slope_excess(table: pd.DataFrame) -> Estimate:
    return statistics.mean((_slopes(table, "batch") - _slopes(table, "none")).dropna())


NEEDS = Needs(
    real_images=True,
    also=f"mini-batches of {SMALL} images or fewer and of {REFERENCE}, at least {outcomes.FEWEST} networks of each, at "
    "equal epochs trained until they level off",
)
BOTH = (
    "Ours: the claim does not say what else is held equal, so it has to come out at equal numbers of epochs (the rate "
    "in proportion to b) and of updates (the rate the same)."
)

CLAIMS = [
    Claim(
        "small_batches_hurt_bn",
        "introductions",
        "Small mini-batches hurt networks with BN.",
        "Wu and He 2018 (arXiv 1803.08494), Figure 1; Ioffe 2017 (arXiv 1702.03275), abstract; introductions to BN",
        (
            Condition(
                f"test accuracy with BN at the smallest b minus that at {REFERENCE}, points, mean over seeds",
                _small,
                Region(below=0.0),
                f"The claim is a direction. {BOTH}",
            ),
            Condition(
                f"change of test accuracy from b = {REFERENCE} to the smallest with BN minus that without, points, "
                "mean over seeds",
                _small_excess,
                Region(below=0.0),
                "Ours: a small mini-batch changes training without BN too, by its noise and by how many images or "
                "updates there are; it is BN that is hurt where more is lost with it.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "renormalisation_repairs_small_batches",
        "introductions",
        "Batch Renormalization repairs BN with small mini-batches: it is better there.",
        "Ioffe 2017 (arXiv 1702.03275), abstract and Section 4.2",
        (
            Condition(
                "test accuracy with Batch Renormalization minus that with BN, at the smallest b, points, mean over "
                "seeds",
                _renormalised,
                Region(above=0.0),
                f"The claim is a direction: substantially better, without a number. {BOTH}",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "noise_regularises_less_in_large_batches",
        "introductions",
        "The noise of the mini-batch's statistics regularises, less the larger the mini-batch.",
        "Introductions to BN, after Ioffe and Szegedy 2015 (arXiv 1502.03167), Section 3.4; of the gradient's noise "
        "Keskar et al. 2016 (arXiv 1609.04836)",
        (
            Condition(
                "rise of train minus test accuracy with BN for each doubling of b, points, mean over seeds",
                lambda table: statistics.mean(_slopes(table, "batch")),
                Region(above=0.0),
                "The claim is a direction. Ours: at equal epochs alone, since at equal updates larger mini-batches see "
                "every image more often, which widens the gap by itself. Training images count as they were trained "
                "on, under the noise, which lowers their accuracy in small mini-batches even where it regularises "
                "nothing: a slope above zero is less than the claim, one below zero speaks against it.",
            ),
            Condition(
                "the same minus that without BN, points for each doubling, mean over seeds",
                _slope_excess,
                Region(above=0.0),
                "Ours: without BN there is the gradient's noise alone, which the rate in proportion to b keeps alike; "
                "what is beyond it is that of the statistics.",
            ),
        ),
        NEEDS,
    ),
]
