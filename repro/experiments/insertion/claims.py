"""Batch normalisation put into trained networks: what it changes, and whether fine-tuning with it gains."""

from collections.abc import Callable

import pandas as pd

from repro.experiments.insertion.settings import BEFORE, IDENTITY, ORIGINAL, STANDARDISED
from repro.experiments.insertion.show import gains, percent, relative_changes
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

KINDS = ("residual", "plain")
FEWEST = 3  # seeds
GUESSING = 20.0  # per cent of the test images: twice what guessing gives among ten classes


def _of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of the networks of one kind, residual or plain, that were trained to the end of their cycle.

    Raises `Undecided` where they are of several recipes, few, or not better than guessing.
    """
    rows = table[(table["after"] == 1) & ((table["shortcut"] == "none") == (kind == "plain"))]
    if rows["recipe"].nunique() != 1:
        raise Undecided(f"it takes one trained recipe of {kind} networks without BN")
    if rows["seed"].nunique() < FEWEST:
        raise Undecided(f"{rows['seed'].nunique()} seeds of {kind} networks are fewer than {FEWEST}")
    before = percent(rows)[ORIGINAL, BEFORE].mean()
    if not before > GUESSING:
        raise Undecided(f"{kind} networks were not trained: {before:.1f} % of the test images")
    return rows


def _identity(table: pd.DataFrame) -> dict[str, Estimate]:
    changes = relative_changes(table)
    changes = changes[changes["variant"] == IDENTITY]
    if changes.empty:
        raise Undecided("no network without BN")
    kinds = changes["shortcut"].eq("none").map({True: "plain", False: "residual"})
    # A network whose change has no value counts: it is not shown to be unchanged.
    return {
        str(kind): statistics.exact(float(values.max(skipna=False)))
        for kind, values in changes["largest"].groupby(kinds)
    }


def _fall(table: pd.DataFrame) -> dict[str, Estimate]:
    found = {}
    for kind in KINDS:
        accuracy = percent(_of_kind(table, kind))
        found[kind] = statistics.mean(accuracy[ORIGINAL, BEFORE] - accuracy[STANDARDISED, BEFORE])
    return found


def _gain(kind: str) -> Callable[[pd.DataFrame], Estimate]:
    def estimate(table: pd.DataFrame) -> Estimate:
        rows = _of_kind(table, kind)
        judged = rows[rows["variant"] != STANDARDISED]
        diverged = int((judged["status"] == "diverged").sum())
        if diverged:
            raise Undecided(f"{diverged} of {kind} networks diverged in fine-tuning; lower its learning rate")
        return statistics.mean(gains(rows)[IDENTITY])

    return estimate


SOURCE = (
    "introductions such as 'Batch Normalization in Neural Networks' (Towards Data Science, 2017); Ioffe and Szegedy "
    "2015 (arXiv 1502.03167), Section 3"
)
TRAINED = Needs(real_images=True, also=f"trained networks, better than guessing, of at least {FEWEST} seeds")


def _gains(kind: str) -> Claim:
    """That fine-tuning with BN gains, of one kind of network."""
    return Claim(
        f"insertion_gains_{kind}",
        "introductions",
        f"A trained {kind} network gains from fine-tuning with BN put into it, gamma and beta beginning as the "
        "population's deviation and mean.",
        SOURCE,
        (
            Condition(
                f"test accuracy fine-tuned with BN minus fine-tuned without, {kind} networks, points, mean over seeds",
                _gain(kind),
                Region(above=0.0),
                "The claim is a direction, at equal updates and one rate, at which both train. Small networks on few "
                "images tell nothing of VGG on ImageNet, for which it was made.",
            ),
        ),
        TRAINED,
    )


CLAIMS = [
    Claim(
        "insertion_undone_is_identity",
        "introductions",
        "BN put into a trained network changes nothing at test time if gamma is the population's deviation and beta "
        "its mean.",
        SOURCE,
        (
            Condition(
                "largest change of a logit over the largest logit, evaluation mode, largest over networks",
                _identity,
                Region(below=1e-5),
                "Ours: in float32 each of some twenty layers adds rounding of about 1e-7; 1e-5 is far below any "
                "difference between classes. Mathematics needs no interval: every network has to be below it.",
            ),
        ),
        Needs(also="networks without BN"),
    ),
    Claim(
        "insertion_changes_network",
        "introductions",
        "BN put into a trained network with gamma 1 and beta 0 changes it: its accuracy falls.",
        SOURCE,
        (
            Condition(
                "test accuracy of the network minus that with BN put in, gamma 1 and beta 0, points, mean over seeds",
                _fall,
                Region(above=5.0),
                "Ours: 5 points are more than twice the counting error of 500 test images, and more than what "
                "choices in training commonly gain. Both kinds of network have to fall.",
            ),
        ),
        TRAINED,
    ),
    _gains("residual"),
    _gains("plain"),
]
