"""What documents say of claims is generated, and in step."""

import re
from pathlib import Path

import pandas as pd
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


def test_the_story_has_the_shipped_numbers():
    story = (ROOT / rules.STORY).read_text()
    assert rules.with_numbers(story, ROOT / "results/published") == story, AGAIN


def test_every_point_of_the_story_has_a_number_and_a_link():
    points = [line for line in (ROOT / rules.STORY).read_text().splitlines() if line.startswith("- ")]
    assert len(points) > 8
    for point in points:
        assert rules.MARK.search(point), point
        assert re.search(r"\]\(results\.md#|\]\(studies\.md#", point), point


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [
        ("one", "a share", "-", 0.5, 0.25, 1.0),
        ("one", "a logarithm", "here", 0.0, -1.0, 2.0),
        ("one", "a logarithm", "there", 3.0, 2.0, 4.0),
    ]
    found = {
        "scorecard": pd.DataFrame({"claim": ["one"], "verdict": ["undecided"]}),
        "scorecard_numbers": pd.DataFrame(numbers, columns=["claim", "quantity", "label", "value", "low", "high"]),
    }
    monkeypatch.setattr(scoring, "read", lambda folder: found)


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("number one", "0.5 (0.25 to 1)"),
        ("number one 2 [there]", "3 (2 to 4)"),
        ("number one 2 [here] 10^", "1 (0.1 to 100)"),
        ("number one 2 [here] exp", "1 (0.37 to 7.4)"),
        ("verdict one", "undecided"),
    ],
)
def test_marks_are_filled(mark: str, expected: str, scored: None):
    text = f"before <!-- {mark} -->old<!-- end --> after <!-- {mark} --><!-- end -->"
    filled = f"before <!-- {mark} -->{expected}<!-- end --> after <!-- {mark} -->{expected}<!-- end -->"
    assert rules.with_numbers(text, Path("anywhere")) == filled
    assert rules.with_numbers(filled, Path("anywhere")) == filled


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("number two", "0 numbers"),
        ("number one 2", "2 numbers"),
        ("number one 3", "0 numbers"),
        ("number one 2 [nowhere]", "0 numbers"),
        ("verdict two", "no such claim"),
    ],
)
def test_marks_that_fit_nothing_are_refused(mark: str, message: str, scored: None):
    with pytest.raises(ValueError, match=message):
        rules.with_numbers(f"<!-- {mark} -->x<!-- end -->", Path("anywhere"))


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
