"""Claims as data, and their verdicts from the tables measured here.

A claim is a sentence, who makes it, and conditions: numbers and the region each has to lie in. Its verdict follows
from the numbers' intervals alone: reproduced when all lie inside, not reproduced when one lies outside, undecided
otherwise. A claim that does not come out is reported like one that does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from repro.results.statistics import Estimate, Region, holm, position
from repro.settings.experiment import Column

# Who makes it: the paper; a theorem or law about random matrices; introductions to batch normalisation; ourselves.
Kind = Literal["paper", "theory", "introductions", "own"]
Outcome = Literal["reproduced", "not reproduced", "undecided", "not run at this scale"]


class Undecided(Exception):
    """A table lacks what a claim needs; the message says what, and becomes the verdict's reason."""


# Why rules that had to hold in every seed were changed.
EVERY_SEED = (
    "A rule that has to hold in every seed gets harder the more seeds are measured and can never be undecided; the "
    "interval of the median over seeds decides now."
)


@dataclass(frozen=True)
class Condition:
    """A number of a claim and where it has to lie.

    `estimate` maps the experiment's table to the number with its interval, or to several, each by a label such as
    `layer 18`, which all have to lie there; it raises `Undecided` where the table lacks what that takes. `why` says
    why the threshold is where it is.
    """

    quantity: str  # in words, with its unit
    estimate: Callable[[pd.DataFrame], Estimate | Mapping[str, Estimate]]
    region: Region
    why: str

    @property
    def rule(self) -> str:
        """The quantity and its region in words."""
        bounds = {"above": self.region.above, "below": self.region.below}
        words = [f"{side} {bound:g}" for side, bound in bounds.items() if math.isfinite(bound)]
        return f"{self.quantity}: {' and '.join(words)}"


@dataclass(frozen=True)
class Needs:
    """The scale below which a claim is not decided; `also` says in words what the conditions check by themselves."""

    depth: int = 0
    real_images: bool = False
    also: str = ""

    @property
    def words(self) -> str:
        """One phrase for all of them."""
        parts = [f"a depth of at least {self.depth}"] if self.depth else []
        parts += ["real images"] if self.real_images else []
        return "; ".join([*parts, *([self.also] if self.also else [])]) or "nothing"


@dataclass(frozen=True)
class RuleChange:
    """A rule that was changed after it had been committed."""

    date: str
    old: str
    reason: str
    outcome_of_old: str  # of the old rule, on the tables that ship


@dataclass(frozen=True)
class Claim:
    """A statement, its source, and the conditions under which it counts as reproduced."""

    identifier: str
    kind: Kind
    statement: str
    source: str
    conditions: tuple[Condition, ...]
    needs: Needs
    recalled: bool = False  # the statement was recalled from the paper and not confirmed
    history: tuple[RuleChange, ...] = ()


@dataclass(frozen=True)
class Scale:
    """At what scale a table was measured; None: no networks, or no images, are behind it."""

    depth: int | None
    real_images: bool | None

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> "Scale":
        """The scale in a table's provenance: its shallowest network, and real images if all are."""
        recipes = list(provenance["settings"].get("recipes", {}).values())
        if not recipes:
            return cls(None, None)
        real = all(recipe["images"]["source"] != "synthetic" for recipe in recipes)
        return cls(min(recipe["depth"] for recipe in recipes), real)

    def lacks(self, needs: Needs) -> str:
        """What is missing for a claim, in words; empty when nothing is."""
        lacking = []
        if self.depth is not None and self.depth < needs.depth:
            lacking.append(f"depth {self.depth} instead of {needs.depth}")
        if needs.real_images and self.real_images is False:
            lacking.append("synthetic images")
        return ", ".join(lacking)


CARD_COLUMNS = {
    "claim": Column("identifier of the claim", "text"),
    "item": Column("figure or table it is about", "text"),
    "kind": Column("who makes it: paper, theory, introductions to batch normalisation, or own", "text"),
    "statement": Column("the claim", "text"),
    "source": Column("where it is made", "text"),
    "recalled": Column("1 when the statement was recalled from the paper and not confirmed", "whole"),
    "verdict": Column("reproduced, not reproduced, undecided, or not run at this scale", "text"),
    "because": Column("the numbers that decided, or what is lacking", "text"),
    "rule": Column("when it counts as reproduced", "text"),
    "p_value": Column("of the claim being false: the largest of its conditions'"),
    "p_holm": Column("the same, corrected for the number of claims of the kind (Holm)"),
    "on": Column("images and networks it was measured on", "text"),
}
NUMBER_COLUMNS = {
    "claim": Column("identifier of the claim", "text"),
    "quantity": Column("what was estimated", "text"),
    "label": Column("which of several, - if there is one", "text"),
    "value": Column("estimate"),
    "low": Column("lower end of its 90 % interval"),
    "high": Column("upper end of its 90 % interval"),
    "networks": Column("networks, or draws, behind it; 0: computed, nothing sampled", "whole"),
    "method": Column("of the interval", "text"),
    "above": Column("the claim needs the quantity above this"),
    "below": Column("the claim needs the quantity below this"),
    "position": Column("of the interval: inside, outside, or straddles", "text"),
}


def contrast(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the one untrained recipe with batch normalisation everywhere and of the one without any.

    In the result `normalisation`, `batch` or `none`, tells the two apart. Raises `Undecided` when the table does not
    have exactly one of each.
    """
    untrained = table[(table["after"] == 0) & table["normalisation"].isin(["batch", "none"])]
    recipes = untrained.groupby("normalisation")["recipe"].nunique()
    if list(recipes) != [1, 1]:
        raise Undecided("it takes one untrained recipe with BN and one without")
    return untrained


def judge(
    item: str, claims: Sequence[Claim], table: pd.DataFrame, scale: Scale, subject: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The verdicts, one row per claim, and the numbers behind them, one row per estimate.

    `p_holm` is left to `corrected`, which sees the claims of all experiments.
    """
    cards, numbers = [], []
    for claim in claims:
        lacking = scale.lacks(claim.needs)
        found: list[tuple[Condition, str, Estimate]] = []
        reasons: list[str] = []
        for condition in claim.conditions:
            try:
                found += [(condition, label, estimate) for label, estimate in _estimates(condition, table)]
            except Undecided as undecided:
                reasons.append(str(undecided))
        positions = [position(estimate, condition.region) for condition, _, estimate in found]
        outcome: Outcome
        if lacking:
            outcome = "not run at this scale"
        elif "outside" in positions:
            outcome = "not reproduced"
        else:
            outcome = "undecided" if reasons or not found or "straddles" in positions else "reproduced"
        p_values = [estimate.p_value(condition.region) for condition, _, estimate in found]
        # NaN where one of them is: Python's max may drop it.
        p_value = float(np.max(p_values)) if found and not reasons else math.nan
        because = "; ".join(dict.fromkeys(filter(None, [lacking, *reasons, *_told(found)])))
        rule = "; ".join(condition.rule for condition in claim.conditions)
        decided = outcome != "not run at this scale"
        told = (claim.identifier, item, claim.kind, claim.statement, claim.source, int(claim.recalled))
        judged = (outcome, because, rule, p_value if decided else math.nan, math.nan, subject or "-")
        cards.append((*told, *judged))
        for (condition, label, estimate), where in zip(found, positions, strict=True):
            interval = (estimate.value, estimate.low, estimate.high, estimate.networks, estimate.method)
            region = (condition.region.above, condition.region.below, where)
            numbers.append((claim.identifier, condition.quantity, label or "-", *interval, *region))
    return pd.DataFrame(cards, columns=list(CARD_COLUMNS)), pd.DataFrame(numbers, columns=list(NUMBER_COLUMNS))


def corrected(cards: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of all experiments with `p_holm`, within each kind."""
    adjusted = cards.groupby("kind")["p_value"].transform(lambda values: holm(values.to_numpy()))
    return cards.assign(p_holm=adjusted.astype(float))


def counts(cards: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each kind (rows) have each verdict (columns), in the order in which they are defined."""
    kinds, outcomes = list(Kind.__args__), list(Outcome.__args__)  # type: ignore[attr-defined]
    table = pd.crosstab(cards["kind"], cards["verdict"]).reindex(index=kinds, columns=outcomes, fill_value=0)
    return table.loc[table.sum(axis=1) > 0]


def _estimates(condition: Condition, table: pd.DataFrame) -> list[tuple[str, Estimate]]:
    found = condition.estimate(table)
    return [("", found)] if isinstance(found, Estimate) else list(found.items())


def _told(found: Sequence[tuple[Condition, str, Estimate]]) -> list[str]:
    """The numbers as text, a phrase for each condition."""
    phrases: dict[str, list[str]] = {}
    for condition, label, estimate in found:
        number = f"{_number(estimate.value)}"
        if estimate.networks and not math.isnan(estimate.low):
            number += f" ({_number(estimate.low)} to {_number(estimate.high)}; {estimate.networks})"
        elif estimate.networks:
            number += f" (no interval from {estimate.networks})"
        phrases.setdefault(condition.quantity, []).append(f"{number} [{label}]" if label else number)
    return [f"{quantity}: {', '.join(values)}" for quantity, values in phrases.items()]


def _number(value: float) -> str:
    if math.isnan(value):
        return "no value"
    return f"{value:.3g}" if math.isfinite(value) else "beyond the range"
