"""What documents say of claims: `docs/claims.md`, every claim with its rule, and the README's table of verdicts."""

from pathlib import Path

from repro.experiments import scoring
from repro.results import tables
from repro.results.claims import Claim, counts
from repro.settings import catalogue

TITLE = """# Claims and their rules

Written by `python -m repro schema` from the `claims.py` of the experiments. A claim is *reproduced* when the 90 %
interval of each of its numbers lies in the region that its rule names, *not reproduced* when one lies outside,
*undecided* otherwise, and *not run at this scale* where networks are too shallow or images synthetic. The unit is the
network. The truth lies beyond either end of an interval in at most 5 % of all cases (of a mean: where its values are
normal), so a rule with one threshold is a one-sided test at 5 %, and one with two is the two one-sided tests of
equivalence. All numbers of a rule have to hold, so a false *reproduced* has at most 5 %; one of them gives a
*not reproduced*, so a false one of these has at most 5 % for each number. The verdicts on the shipped tables are in
[scorecard.csv](../results/published/scorecard.csv).
"""


MARKS = "<!-- verdicts -->", "<!-- end of verdicts -->"


def page() -> str:
    """The whole page as Markdown."""
    sections = [TITLE]
    for name, entry in catalogue.entries().items():
        claims = scoring.claims_of(name)
        if claims:
            sections.append(f"## {entry.item} ({name})\n")
            sections += map(_section, claims)
    return "\n".join(sections)


def with_verdicts(readme: str, folder: Path) -> str:
    """A text with the table kind x verdict of the scorecard in `folder` between its two marks.

    Raises `ValueError` when a mark is missing.
    """
    before, rest = readme.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    table = tables.markdown(counts(scoring.read(folder)["scorecard"]).reset_index())
    return f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}"


def _section(claim: Claim) -> str:
    source = f"{claim.source}, recalled" if claim.recalled else claim.source
    lines = [f"### {claim.identifier}", "", f"{claim.statement} *({claim.kind}; {source})*", ""]
    for condition in claim.conditions:
        lines.append(f"- **Rule**: {condition.rule}. **Why**: {condition.why}")
    lines.append(f"- **Needs**: {claim.needs.words}.")
    for change in claim.history:
        lines.append(
            f"- **Before {change.date}**: {change.old}. On the shipped tables of that day: {change.outcome_of_old}. "
            f"**Changed because**: {change.reason}"
        )
    return "\n".join(lines) + "\n"
