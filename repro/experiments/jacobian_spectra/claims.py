"""Whether depth and BN do to a network's Jacobian what the paper argues by products of random matrices."""

import itertools

import numpy as np
import pandas as pd

from repro.experiments.jacobian_spectra.show import per_network
from repro.results import statistics
from repro.results.claims import EVERY_SEED, Claim, Condition, Needs, RuleChange, Undecided, contrast
from repro.results.statistics import Estimate, Region


def _pairs(table: pd.DataFrame) -> pd.DataFrame:
    """The networks of `contrast` with the first initialisation; raises `Undecided` unless all are of one depth."""
    own = per_network(contrast(table[table["initialisation"] == table["initialisation"].iloc[0]]))
    if own.groupby("normalisation")["layer"].max().nunique() > 1:
        raise Undecided("the networks with and without BN are not of one depth")
    return own


def _states(table: pd.DataFrame, quantity: str) -> tuple[pd.DataFrame, list[int]]:
    """A quantity of each state, by seed and by normalisation and layer; and the layers, of which there are several."""
    own = _pairs(table)
    states = own[~own["logits"]]
    layers = sorted(states["layer"].unique())
    if len(layers) < 2:
        raise Undecided("one state only")
    return states.pivot(index="seed", columns=["normalisation", "layer"], values=quantity), layers


def _rank_kept(table: pd.DataFrame) -> dict[str, Estimate]:
    ranks, layers = _states(table, "effective_rank")
    without = ranks["none"]
    return {
        f"layer {layer} to {following}": statistics.median(without[following] / without[layer])
        for layer, following in itertools.pairwise(layers)
    }


def _logits_rank(table: pd.DataFrame) -> Estimate:
    own = _pairs(table)
    ranks = own[own["logits"]].pivot(index="seed", columns="normalisation", values="effective_rank")
    return statistics.median(ranks["batch"] / ranks["none"])


def _last_rank(table: pd.DataFrame) -> dict[str, Estimate]:
    own = _pairs(table)
    last = own.loc[~own["logits"], "layer"].max()
    ranks = own[own["layer"] == last].pivot(index="seed", columns="normalisation", values="effective_rank")
    return {f"layer {last}": statistics.median(ranks["batch"] / ranks["none"])}


def _growth(table: pd.DataFrame) -> dict[str, Estimate]:
    largest, layers = _states(table, "largest")
    decades = np.log10(largest)
    rises = {name: decades[name][layers[-1]] - decades[name][layers[0]] for name in ("batch", "none")}
    return {f"layer {layers[0]} to {layers[-1]}": statistics.median(rises["batch"] - rises["none"])}


SOURCE = "Section 5 (argued there, not measured)"
NEEDS = Needs(depth=110, real_images=True, also="five seeds of a pair with and without BN, untrained and of one depth")
TWICE = "Ours, and no more than a round number: a clear advantage, where any at all would be a ratio above one."
CLAIMS = [
    Claim(
        "jacobian_rank_falls_with_depth",
        "own",
        "As in a product of random matrices, the deeper the network the fewer directions carry its Jacobian: without "
        "BN the effective rank falls from each state examined to the next.",
        SOURCE,
        (
            Condition(
                "effective rank of the Jacobian without BN as a share of that one state before, median over seeds",
                _rank_kept,
                Region(below=1.0),
                "Falling means a share below one, between any two states that follow each other.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "without BN the effective rank falls from each state examined to the next, in every seed",
                EVERY_SEED,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "logits_jacobian_better_conditioned",
        "own",
        "BN makes the input-output map better conditioned: the effective rank of the logits' Jacobian is more than "
        "twice that without BN.",
        SOURCE,
        (
            Condition(
                "effective rank of the logits' Jacobian with BN by that without, median over seeds",
                _logits_rank,
                Region(above=2.0),
                TWICE,
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "the effective rank of the logits' Jacobian is more than twice that without BN, in every seed",
                EVERY_SEED,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "last_state_better_conditioned",
        "own",
        "It does so inside the network: the same holds of the state after the last block examined.",
        SOURCE,
        (
            Condition(
                "effective rank of the Jacobian of the last state examined with BN by that without, median over seeds",
                _last_rank,
                Region(above=2.0),
                TWICE,
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "the effective rank of the Jacobian of the last state examined is more than twice that without BN, in "
                "every seed",
                EVERY_SEED,
                "not reproduced",
            ),
        ),
    ),
    Claim(
        "jacobian_grows_less_with_bn",
        "own",
        "BN keeps the Jacobian from growing with depth: its largest singular value rises less with BN than without.",
        SOURCE,
        (
            Condition(
                "rise of log10 of the Jacobian's largest singular value from the first state examined to the last, "
                "with BN minus without, median over seeds, decades",
                _growth,
                Region(below=0.0),
                "Less means a smaller rise, however little; networks of the same seed are compared.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "the largest singular value rises less with BN than without, in every seed",
                EVERY_SEED,
                "not reproduced",
            ),
        ),
    ),
]
