"""What the paper claims, and whether this package's measurements bear it out.

A claim is a statement, its source, and the test that decides it from an experiment's table. A claim that does not
come out is reported like one that does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Outcome = Literal["supported", "not supported", "undecided"]


class Undecided(Exception):
    """A table lacks what a claim's test needs; the message says what, and becomes the verdict's text."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a test and the measured numbers, with their spread, that decided it."""

    outcome: Outcome
    measured: str


@dataclass(frozen=True)
class Claim:
    """A statement of the paper and the test that decides it.

    `source` says where in the paper; `recalled` marks a published value that was recalled and not confirmed.
    `decide` maps the experiment's table to a `Verdict`, or raises `Undecided`.
    """

    statement: str
    source: str
    decide: Callable[[pd.DataFrame], Verdict]
    recalled: bool = False


def verdict(holds: bool | None, measured: str) -> Verdict:
    """`supported` or `not supported`, or `undecided` for None: the table lacks what the test needs."""
    return Verdict("undecided" if holds is None else "supported" if holds else "not supported", measured)


def judge(item: str, claims: list[Claim], table: pd.DataFrame, subject: str) -> pd.DataFrame:
    """One row per claim: item, statement, source, outcome, measured, and the `subject` that it was measured on."""
    rows = []
    for claim in claims:
        try:
            decided = claim.decide(table)
        except Undecided as lacking:
            decided = verdict(None, str(lacking))
        source = f"{claim.source} (recalled)" if claim.recalled else claim.source
        rows.append((item, claim.statement, source, decided.outcome, decided.measured, subject or "-"))
    return pd.DataFrame(rows, columns=["item", "statement", "source", "outcome", "measured", "on"])
