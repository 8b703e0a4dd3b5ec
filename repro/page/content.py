"""What the page says, as plain data: gathered from tables, their scorecard and figures, before any layout."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pandas as pd

from repro.experiments import scoring, showing
from repro.page import captions, differences, drawings, words
from repro.page.drawings import Drawing
from repro.results import claims, sources
from repro.settings import catalogue
from repro.settings.configuration import Configuration

# Who makes a claim, and what a verdict means, for the reader.
KINDS: dict[str, str] = {
    "paper": "what the paper says or shows of networks",
    "theory": "what follows from random-matrix theory, checked numerically",
    "introductions": "what introductions to batch normalisation say",
    "own": "what this package asks beyond the paper",
}
VERDICTS: dict[str, str] = {
    "reproduced": "the intervals of all its numbers lie where it needs them",
    "not reproduced": "one lies entirely outside",
    "undecided": "one lies on both sides or something it needs is lacking",
    "not run at this scale": "networks or images are smaller than those it is about",
}
# Table 1 belongs to Section 3.3, like Figure 7; Figure 8 to Section 5.
PLACES = {"table1": 7.5}


@dataclass(frozen=True)
class Number:
    """A number behind a verdict: measured here, its interval, and where the claim needs it."""

    quantity: str
    label: str  # which of several; empty if there is one
    value: float
    low: float
    high: float
    networks: int
    method: str
    needs: str
    position: str


@dataclass(frozen=True)
class Rule:
    """A condition of a claim in words, and why its threshold is where it is."""

    condition: str
    why: str


@dataclass(frozen=True)
class Claim:
    """A claim and its verdict."""

    identifier: str
    item: str
    name: str  # of the item, like "Figure 5"
    kind: str
    statement: str
    source: str
    recalled: bool
    verdict: str
    reason: str  # what is lacking, where the numbers alone do not decide
    rules: list[Rule]
    needs: str
    history: list[claims.RuleChange]
    p_value: float
    p_holm: float
    numbers: list[Number]


@dataclass(frozen=True)
class Published:
    """A value of the paper's beside those of the networks measured here."""

    quantity: str
    published: float
    known: str
    error: float  # of reading it off
    measured: float
    low: float
    high: float
    networks: int
    quantile: float
    inside: bool


@dataclass(frozen=True)
class Link:
    """A file to download, relative to the page."""

    text: str
    address: str


@dataclass(frozen=True)
class Command:
    """A command and what it does."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Item:
    """A figure or table of the paper, or a study beside it."""

    item: str  # like `fig5`
    name: str  # like "Figure 5"
    title: str
    experiment: str
    of_paper: bool
    figure: Drawing
    caption: captions.Caption
    claims: list[Claim]
    published: list[Published]
    subject: str
    source: str
    differs: list[str]
    commands: list[Command]
    time: str
    device: str
    links: list[Link]

    @property
    def within(self) -> int:
        """How many published values lie within the range of the networks measured here."""
        return sum(value.inside for value in self.published)


@dataclass(frozen=True)
class Measured:
    """What several items were measured on."""

    subject: str
    smaller: str  # than the paper's, in words; empty if it is not
    names: str  # of the items


@dataclass(frozen=True)
class Page:
    """Everything on the page."""

    run: str  # which tables these are, in words
    subtitle: str
    items: list[Item]
    measured: list[Measured]
    counts: pd.DataFrame
    first_figure: str
    multiplicity: str
    time: str
    report: str  # address of Snakemake's report; empty where there is none

    @property
    def claims(self) -> list[Claim]:
        """All claims, in the order of their items."""
        return [claim for item in self.items for claim in item.claims]

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds that occur, each with what it means."""
        return {kind: meaning for kind, meaning in KINDS.items() if kind in self.counts.index}

    @property
    def verdicts(self) -> dict[str, str]:
        """All verdicts, each with what it means."""
        return VERDICTS


def gather(folder: Path, figures: Path, configuration: Configuration | None = None) -> Page:
    """The content of the page for the tables of a folder; raises `UserError` where one of the files is missing."""
    provenances = {
        name: showing.read(folder, name, configuration)[1] for name in showing.shown_from(folder, configuration)
    }
    found = {name: _clean(frame, name) for name, frame in scoring.read(folder, provenances).items()}
    items = [_item(name, folder, figures, configuration, provenance, found) for name, provenance in provenances.items()]
    items.sort(key=lambda item: _place(item.item))
    return Page(
        run=f"configuration “{configuration.name}”" if configuration else f"the tables of {_name_of(folder, figures)}",
        subtitle=_subtitle(folder, figures, configuration),
        items=items,
        measured=_measured(items, provenances),
        counts=claims.counts(found["scorecard"]),
        first_figure=_first_figure(items),
        multiplicity=scoring.told(found)[-1],
        time=words.duration(_seconds(provenances)),
        report="report.html" if configuration else "",
    )


def _clean(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A file of the scorecard with the kinds of its columns, which a CSV without a single value does not have."""
    kinds = {"number": float, "whole": int, "text": str}
    empty = {"number": float("nan"), "whole": 0, "text": ""}
    columns = scoring.FILES[name]
    return pd.DataFrame(
        {
            key: frame[key].astype(object).where(frame[key].notna(), empty[column.kind]).astype(kinds[column.kind])
            for key, column in columns.items()
        }
    )


def _place(item: str) -> tuple[bool, float]:
    """The paper's order; what it does not have comes after, in the catalogue's."""
    numbered = re.fullmatch(r"fig(\d+)", item)
    place = float(numbered[1]) if numbered else PLACES.get(item, 0.0)
    return not _of_paper(item), place


def _of_paper(item: str) -> bool:
    return re.fullmatch(r"(fig|table)\d+", item) is not None


def _name_of(folder: Path, figures: Path) -> str:
    """A folder of tables without the way to it, which is this machine's."""
    parts = Path(os.path.relpath(folder, figures)).parts
    return "/".join(part for part in parts if part != "..") or folder.name


def _subtitle(folder: Path, figures: Path, configuration: Configuration | None) -> str:
    if configuration is not None:
        return f"A run of the workflow under the configuration “{configuration.name}”."
    if folder.name == "published":
        return "The tables that ship with the package."
    return f"The tables of {_name_of(folder, figures)}."


def _item(
    name: str,
    folder: Path,
    figures: Path,
    configuration: Configuration | None,
    provenance: Mapping[str, Any],
    found: Mapping[str, pd.DataFrame],
) -> Item:
    known = catalogue.entry(name)
    caption = captions.caption(name, provenance)
    called, title = _named(known.item, caption.heading)
    cards, published = (frame[frame["item"] == known.item] for frame in (found["scorecard"], found["published_values"]))
    listed = {claim.identifier: claim for claim in scoring.claims_of(name)}
    return Item(
        item=known.item,
        name=called,
        title=title,
        experiment=name,
        of_paper=_of_paper(known.item),
        figure=drawings.inline(figures / f"{known.item}.svg", f"title-{known.item}"),
        caption=caption,
        claims=[
            _claim(card, called, found["scorecard_numbers"], listed.get(card.claim)) for card in cards.itertuples()
        ],
        published=[
            Published(
                row.quantity,
                row.published,
                row.known,
                row.error,
                row.measured,
                row.low,
                row.high,
                row.networks,
                row.quantile,
                bool(row.inside),
            )
            for row in published.itertuples()
        ],
        subject=sources.subject(name, provenance),
        source=sources.source_line(name, provenance),
        differs=differences.told(name, provenance) if _of_paper(known.item) else [],
        commands=_commands(known, folder, figures, provenance, configuration),
        time=words.duration(provenance["seconds"]),
        device=_device(provenance),
        links=_links(known, folder, figures),
    )


def _named(item: str, heading: str) -> tuple[str, str]:
    """Name and title, from a heading like "Figure 5: moments against depth"; one without a number is the title."""
    numbered = re.fullmatch(r"((?:Figure|Table) \d+): (.*)", heading)
    if numbered:
        return numbered[1], numbered[2][:1].upper() + numbered[2][1:]
    return item.replace("_", " ").capitalize(), heading


def _claim(card: Any, name: str, numbers: pd.DataFrame, listed: claims.Claim | None) -> Claim:
    own = numbers[numbers["claim"] == card.claim]
    # After the reason the card repeats the numbers, which stand in a table here.
    reason = card.because.split(f"{own['quantity'].iloc[0]}: ")[0].rstrip("; ") if len(own) else card.because
    rules = [Rule(condition.rule, condition.why) for condition in listed.conditions] if listed else []
    return Claim(
        identifier=card.claim,
        item=card.item,
        name=name,
        kind=card.kind,
        statement=card.statement,
        source=card.source,
        recalled=bool(card.recalled),
        verdict=card.verdict,
        reason=reason,
        rules=rules or [Rule(card.rule, "")],
        needs=listed.needs.words if listed else "",
        history=list(listed.history) if listed else [],
        p_value=card.p_value,
        p_holm=card.p_holm,
        numbers=[
            Number(
                row.quantity,
                "" if row.label == "-" else row.label,
                row.value,
                row.low,
                row.high,
                row.networks,
                row.method,
                words.region(row.above, row.below),
                row.position,
            )
            for row in own.itertuples()
        ],
    )


def _commands(
    known: catalogue.Entry,
    folder: Path,
    figures: Path,
    provenance: Mapping[str, Any],
    configuration: Configuration | None,
) -> list[Command]:
    """How to measure the table again, where its settings are at hand, and how to draw it again."""
    found = differences.files(known.name, provenance)
    if configuration is not None and not found:
        found = [(configuration.results_folder / "configuration.json").as_posix()]
    measure = [Command("Measure and draw", f"uv run snakemake {known.item} --configfile {' '.join(found)}")]
    shown = f"{known.item} --tables {_name_of(folder, figures)} --figures paper_figures/mine"
    return (measure if found else []) + [Command("Draw this table again", f"uv run python -m repro show {shown}")]


def _device(provenance: Mapping[str, Any]) -> str:
    """What computed it; of several, what they have in common, or all of them."""
    devices = sorted({one["device"] for one in provenance.get("trained", {}).values()} or {provenance["device"]})
    shared = [part for part in devices[0].split(", ") if all(part in other.split(", ") for other in devices)]
    return (", ".join(shared) or words.listed(devices)).replace("1 thread(s)", "1 thread").replace("(s)", "s")


def _links(known: catalogue.Entry, folder: Path, figures: Path) -> list[Link]:
    beside = Path(os.path.relpath(folder, figures)).as_posix()
    found = {f"figure as {suffix.upper()}": f"{known.item}.{suffix}" for suffix in ("svg", "pdf", "png")}
    found["summary"] = f"{known.item}.md"
    found[f"table ({'Parquet' if known.table == 'parquet' else 'CSV'})"] = f"{beside}/{known.name}.{known.table}"
    found["its columns and provenance"] = f"{beside}/{known.name}.json"
    return [Link(text, quote(address)) for text, address in found.items()]


def _measured(items: Sequence[Item], provenances: Mapping[str, Mapping[str, Any]]) -> list[Measured]:
    """What the items were measured on, those on the same together, in the order of their first."""
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        provenance = provenances[item.experiment]
        key = (
            differences.subject(item.experiment, provenance) or "no images, no networks",
            differences.smaller(provenance),
        )
        groups.setdefault(key, []).append(item)
    return [Measured(*key, _names(group)) for key, group in groups.items()]


def _names(items: Sequence[Item]) -> str:
    """Their names, like "Figures 2, 3 and 4, Table 1, Conditioning"."""
    figures = [item.name.removeprefix("Figure ") for item in items if item.name.startswith("Figure ")]
    others = [item.name for item in items if not item.name.startswith("Figure ")]
    said = [f"Figure{'s' if len(figures) > 1 else ''} {words.listed(figures)}"] if figures else []
    return ", ".join([*said, *others])


def _seconds(provenances: Mapping[str, Mapping[str, Any]]) -> float:
    """Time for all tables; a training that several look at counts once."""
    trained: dict[str, float] = {}
    rest = 0.0
    for provenance in provenances.values():
        origins = provenance.get("trained", {})
        own = {f"{origin['finished']} {name}": origin["seconds"] for name, origin in origins.items()}
        trained |= own
        rest += max(0.0, provenance["seconds"] - sum(own.values()))
    return rest + sum(trained.values())


def _first_figure(items: Sequence[Item]) -> str:
    """The state of Figure 1, the paper's main result, in one sentence."""
    item = next((item for item in items if item.item == "fig1"), None)
    if item is None:
        return "Figure 1, the paper's main result, is not part of this run."
    said = f"Figure 1, the paper's main result, is measured here on {item.subject.replace('; ', ', ')}"
    if not item.claims:
        return f"{said}; no claim was decided."
    counts = {verdict: sum(claim.verdict == verdict for claim in item.claims) for verdict in get_args(claims.Outcome)}
    verdicts = words.listed([f"{count} {verdict}" for verdict, count in counts.items() if count])
    return f"{said}: of its {words.counted(len(item.claims), 'claim')}, {verdicts}."
