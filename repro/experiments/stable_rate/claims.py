"""Largest stable learning rates: what the paper says of their dependence on depth, and of a single normalisation.

The largest rate of a network is that rate of the grid up to which it survives all (`measure.py` says what that is). A
network that survives every rate, or none, tells a bound alone: a number in which bounds stand is decided only where
all of them have the truth lie further inside of the claim's region than they say.

A loss below the first is asked for, and an untrained network's loss rises with depth. So the bar is lower for deep
networks than for shallow ones: that speaks against the claim about networks without BN and for the one about BN.
"""

import numpy as np
import pandas as pd

from repro.experiments.stable_rate.show import grid_step, largest_rates, with_grid
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

FEWEST = 3  # seeds
FEWEST_UPDATES = 20  # with momentum 0.9 an update is then as large as its rate makes it, but for 12 %
FEWEST_DEPTHS, RANGE = 3, 4  # depths, and the largest over the smallest, from which a slope is taken
DEPTH = 110  # the paper's
FINAL_RATE = 0.03

FALLS = Region(below=0.0)
DOES_NOT_FALL = Region(above=-0.5)
TENFOLD = Region(above=1.0)


def _networks(table: pd.DataFrame, normalisation: str) -> pd.DataFrame:
    """`largest_rates` of the untrained networks of one kind, with `decades`, log10 of the rate.

    Raises `Undecided` where several have the same seed and depth, or where there are too few seeds or updates.
    """
    rows = table[(table["after"] == 0) & (table["normalisation"] == normalisation)]
    if rows.empty:
        raise Undecided(f"no untrained networks with the normalisation {normalisation}")
    found = largest_rates(rows)
    if found.duplicated(["seed", "depth"]).any():
        raise Undecided(f"several recipes of one depth have the normalisation {normalisation}")
    if found["seed"].nunique() < FEWEST:
        raise Undecided(f"{found['seed'].nunique()} seeds are fewer than {FEWEST}")
    if rows["planned"].min() < FEWEST_UPDATES:
        raise Undecided(f"{rows['planned'].min()} updates are fewer than {FEWEST_UPDATES}")
    return found.assign(decades=np.log10(found["largest"]))


def _at_paper_depth(table: pd.DataFrame, normalisation: str) -> pd.DataFrame:
    """Those of depth 110, by seed."""
    found = _networks(table, normalisation)
    found = found[found["depth"] == DEPTH].set_index("seed")
    if len(found) < FEWEST:
        raise Undecided(f"fewer than {FEWEST} networks of depth {DEPTH} with the normalisation {normalisation}")
    return found


def _weighted(decades: np.ndarray, bounds: np.ndarray, weights: np.ndarray, step: float, region: Region) -> Estimate:
    """The mean over seeds (rows) of the weighted sum over networks (columns), with what the grid leaves open.

    Raises `Undecided` where bounds are in it and do not decide.
    """
    estimate = with_grid(decades @ weights, float(weights @ weights), step)
    inwards = (1 if np.isfinite(region.above) else -1) * np.sign(weights) * bounds
    if (inwards < 0).any() or ((inwards > 0).any() and statistics.position(estimate, region) != "inside"):
        ends = " and ".join(f"{word} ones" for word, sign in (("smaller", -1), ("larger", 1)) if (bounds == sign).any())
        networks = int((bounds != 0).sum())
        raise Undecided(f"the largest rate of {networks} networks lies beyond the rates tried; try {ends} too")
    return estimate


def _slope(table: pd.DataFrame, normalisation: str, region: Region) -> Estimate:
    """d log10(largest rate) / d log10(depth): least squares within each seed, the mean over seeds."""
    found = _networks(table, normalisation)
    decades, bounds = (
        found.pivot(index="seed", columns="depth", values=column).dropna() for column in ("decades", "bound")
    )
    depths = decades.columns.to_numpy(dtype=float)
    if len(decades) < FEWEST:
        raise Undecided(f"fewer than {FEWEST} seeds were measured at every depth")
    if len(depths) < FEWEST_DEPTHS or depths.max() < RANGE * depths.min():
        raise Undecided(f"it takes {FEWEST_DEPTHS} depths that differ {RANGE}-fold")
    place = np.log10(depths) - np.log10(depths).mean()
    return _weighted(decades.to_numpy(), bounds.to_numpy(), place / (place @ place), grid_step(table), region)


def _slope_without(table: pd.DataFrame) -> Estimate:
    return _slope(table, "none", FALLS)


def _slope_with(table: pd.DataFrame) -> Estimate:
    return _slope(table, "batch", DOES_NOT_FALL)


def _ratio(table: pd.DataFrame) -> Estimate:
    pair = [_at_paper_depth(table, kind) for kind in ("batch", "none")]
    decades, bounds = (
        pd.concat([part[column] for part in pair], axis=1).dropna().to_numpy(dtype=float)
        for column in ("decades", "bound")
    )
    if len(decades) < FEWEST:
        raise Undecided(f"fewer than {FEWEST} seeds have a network of depth {DEPTH} with BN and one without")
    return _weighted(decades, bounds, np.array([1.0, -1.0]), grid_step(table), TENFOLD)


def _share_final(table: pd.DataFrame) -> Estimate:
    found = _at_paper_depth(table, "batch-final")
    if not np.isclose(table["rate"], FINAL_RATE).any():
        raise Undecided(f"the rate {FINAL_RATE:g} was not tried")
    survived = (found["largest"] > 0.999 * FINAL_RATE) & (found["bound"] >= 0)
    return statistics.share(int(survived.sum()), len(found))


ALSO = f"at least {FEWEST} seeds and {FEWEST_UPDATES} updates"
SLOPES = Needs(real_images=True, also=f"{ALSO}; at least {FEWEST_DEPTHS} depths that differ {RANGE}-fold")
AT_PAPER_DEPTH = Needs(real_images=True, also=f"{ALSO}; networks of depth {DEPTH}")

CLAIMS = [
    Claim(
        "shallower_take_larger_rates_without",
        "paper",
        "Without BN the shallower a network, the larger the learning rates it takes.",
        "Appendix H",
        (
            Condition(
                "without BN, slope of log10 of the largest rate survived against log10 of the depth, mean over seeds",
                _slope_without,
                FALLS,
                "The claim is a direction. The interval contains the rounding to the rates that were tried. The first "
                "loss, which the last has to be below, rises with depth: that speaks against the claim.",
            ),
        ),
        SLOPES,
        recalled=True,
    ),
    Claim(
        "rate_does_not_fall_with",
        "paper",
        "With BN the largest learning rate that a network takes does not fall with depth.",
        "Appendix H",
        (
            Condition(
                "with BN, slope of log10 of the largest rate survived against log10 of the depth, mean over seeds",
                _slope_with,
                DOES_NOT_FALL,
                "Ours: from depth 8 to 110 a slope of -0.5 is a fall of 0.57 decades, one step of the grid of half "
                "decades and the least that it can show. A rate that rises does not fall either, so there is no upper "
                "threshold. The first loss, which the last has to be below, rises with depth: in the claim's favour.",
            ),
        ),
        SLOPES,
        recalled=True,
    ),
    Claim(
        "tenfold_rate_with",
        "paper",
        "At the paper's depth BN makes far larger learning rates possible.",
        "Section 3, Figure 1",
        (
            Condition(
                "at depth 110, log10 of the largest rate survived with BN over that without, mean over seeds",
                _ratio,
                TENFOLD,
                "Ours: tenfold. The paper trains at 0.1 with BN and at 0.0001 without, a thousandfold; 1 decade is two "
                "steps of the grid, and the interval contains the rounding to it.",
            ),
        ),
        AT_PAPER_DEPTH,
    ),
    Claim(
        "final_takes_large_rates",
        "paper",
        "With one final BN, after the last residual block, a network takes learning rates up to 0.03.",
        "Appendix E",
        (
            Condition(
                "share of networks of depth 110 with one final BN that survive 0.03 and all smaller rates tried",
                _share_final,
                Region(above=1 / 3),
                "Ours: a rate at which most networks are lost is of no use. A third is what three seeds can show, all "
                "of which survive; the contrary takes eight of which none does. That larger rates fail is not asked.",
            ),
        ),
        AT_PAPER_DEPTH,
        recalled=True,
    ),
]
