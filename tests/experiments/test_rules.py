"""What documents say of claims is generated, and in step."""

from pathlib import Path

import pytest

from repro.experiments import rules, scoring
from repro.results.claims import Kind
from repro.settings import catalogue

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "run `python -m repro schema`"
CLAIMS = [claim for name in catalogue.entries() for claim in scoring.claims_of(name)]


def test_the_page_of_claims_is_in_step():
    assert (ROOT / "docs/claims.md").read_text() == rules.page(), AGAIN


def test_the_readme_has_the_shipped_verdicts():
    readme = (ROOT / "README.md").read_text()
    assert rules.with_verdicts(readme, ROOT / "results/published") == readme, AGAIN


def test_every_claim_is_told_apart_and_has_a_reason_for_each_threshold():
    identifiers = [claim.identifier for claim in CLAIMS]
    assert len(set(identifiers)) == len(identifiers) > 30
    for claim in CLAIMS:
        assert claim.kind in Kind.__args__
        assert claim.conditions
        assert all(len(condition.why) > 20 for condition in claim.conditions)
        for condition in claim.conditions:
            assert condition.rule in rules.page()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.identifier)
def test_a_changed_rule_keeps_the_old_one(claim):
    for change in claim.history:
        assert change.old in rules.page()
        assert change.reason in rules.page()
        assert change.outcome_of_old in ("reproduced", "not reproduced", "undecided")
    assert [change.date for change in claim.history] == sorted(change.date for change in claim.history)
