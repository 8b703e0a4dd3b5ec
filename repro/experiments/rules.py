"""What documents say of claims: each with its rule, verdicts counted, and a text whose numbers are the shipped ones."""

import math
import re
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
STORY = "docs/what_batch_normalisation_does.md"
END = "<!-- end -->"
MARK = re.compile(
    rf"<!-- (number|verdict) (\w+?)(?: (\d))?(?: \[([^\]]+)\])?(?: (exp|10\^))? -->(.*?){END}", flags=re.DOTALL
)
UNDO = {None: float, "exp": math.exp, "10^": lambda value: 10.0**value}


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


def with_numbers(text: str, folder: Path) -> str:
    """A text with the numbers and verdicts of the scorecard in `folder` between its marks.

    `<!-- number CLAIM -->...<!-- end -->` becomes the estimate with its interval; `CLAIM 2` is the claim's second
    quantity, `[LABEL]` one of several, `exp` or `10^` undoes a logarithm. `<!-- verdict CLAIM -->...` likewise. Raises
    `ValueError` for a mark that fits no number, or several.
    """
    found = scoring.read(folder)
    verdicts = found["scorecard"].set_index("claim")["verdict"]
    numbers = found["scorecard_numbers"]

    def filled(match: re.Match[str]) -> str:
        kind, claim, place, label, undo, _ = match.groups()
        if kind == "verdict":
            if claim not in verdicts.index:
                raise ValueError(f"{match[0]}: the shipped scorecard has no such claim")
            return f"{_opening(match)}{verdicts[claim]}{END}"
        own = numbers[numbers["claim"] == claim]
        quantities = list(own["quantity"].unique())
        own = own[own["quantity"].isin(quantities[int(place or 1) - 1 : int(place or 1)])]
        own = own[own["label"] == label] if label else own
        if len(own) != 1:
            raise ValueError(f"{match[0]}: {len(own)} numbers of the shipped scorecard fit this mark")
        shown = [UNDO[undo](float(own[column].iloc[0])) for column in ("value", "low", "high")]
        value, low, high = (f"{number:.0f}" if abs(number) >= 100 else f"{number:.2g}" for number in shown)
        return f"{_opening(match)}{value} ({low} to {high}){END}"

    return MARK.sub(filled, text)


def _opening(match: re.Match[str]) -> str:
    return match[0][: match[0].index("-->") + 3]


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
