"""The page holds everything it was made from, depends on nothing else, and comes out the same each time."""

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from repro import page
from repro.experiments import scoring
from repro.machine.errors import UserError
from repro.page import content
from repro.results import claims
from repro.settings import catalogue
from repro.settings.configuration import validate
from tests.page.conftest import SMALL, Made, Run, scorecard, write_scorecard
from tests.page.html import Element, elements

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"


@pytest.fixture(scope="module")
def found(shipped: Made) -> list[Element]:
    return elements(shipped.html)


def articles(found: list[Element]) -> dict[str, Element]:
    return {element.attributes["id"]: element for element in found if element.tag == "article"}


def squeezed(text: str) -> str:
    return " ".join(text.split())


def cells(found: list[Element], row: Element) -> list[str]:
    """The texts of a row's cells."""
    return [squeezed(each.text) for each in found if each.tag in ("th", "td") and each.around[-1] is row]


def test_every_claim_stands_in_the_table_and_with_its_item(shipped: Made, found: list[Element]):
    rows = [element for element in found if element.tag == "tr" and "data-verdict" in element.attributes]
    sections = [element for element in found if element.attributes.get("class") == "claim"]
    cards = shipped.frames["scorecard"].set_index("statement")
    assert len(rows) == len(sections) == len(cards) >= 48
    for row in rows:
        statement = next(each for each in found if each.tag == "a" and row in each.around).text
        card = cards.loc[statement]
        assert (row.attributes["data-kind"], row.attributes["data-verdict"]) == (card["kind"], card["verdict"])
        assert squeezed(row.text).startswith(card["verdict"])
        assert ("recalled" in row.text) == card["recalled"]
        own = next(each for each in sections if each.attributes["id"] == f"claim-{card['claim']}")
        assert statement in own.text
        assert card["source"] in own.text
        assert squeezed(own.text).startswith(card["verdict"])
        assert ("recalled" in own.text) == card["recalled"]
        assert own.around[-1] is articles(found)[card["item"]]


def test_text_from_tables_is_never_markup(shipped: Made, own: Made):
    assert "<b>bold</b>" not in shipped.html
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; &#34;quoted&#34;" in shipped.html
    assert elements(own.html)


def test_numbers_stand_with_their_interval_and_region(found: list[Element]):
    rows = [cells(found, each) for each in found if each.tag == "tr"]
    assert ["quantity 1: layer 1", "0.5", "0.4 to 0.6", "20", "above 0", "inside"] in rows
    assert ["layer 2", "0.5", "0.4 to 0.6", "20", "above 0", "inside"] in rows
    assert ["quantity 6", "0.5", "none", "2", "above 0", "straddles"] in rows


def test_what_is_lacking_is_said_once_and_numbers_are_not_said_again(shipped: Made, found: list[Element]):
    reasons = [each.text for each in found if each.attributes.get("class") == "reason"]
    lacking = (shipped.frames["scorecard"]["verdict"] == "not run at this scale").sum()
    assert reasons == ["Depth 8 instead of 110."] * lacking
    assert "(0.4 to 0.6; 20)" not in shipped.html


def test_published_values_stand_in_columns_of_their_own(shipped: Made, found: list[Element]):
    for row in shipped.frames["published_values"].itertuples():
        head = next(each for each in found if each.tag == "th" and each.text == row.quantity)
        within = " ± 0.1" if row.known == "read off" else ""
        theirs = [f"{row.published:,.2f}{within}", row.known]
        ours = ["−2 × 10⁻⁷", "−3 × 10⁻⁷ to −1 × 10⁻⁷", "20"]
        place = f"{'within' if row.inside else 'outside'} their range; 25 % lie below it"
        assert cells(found, head.around[-1]) == [row.quantity, *theirs, *ours, place]
        marked = [
            each.text
            for each in found
            if each.around and each.around[-1] is head.around[-1] and "theirs" in each.classes
        ]
        assert marked == theirs


def test_counts_are_those_of_the_scorecard(shipped: Made, found: list[Element]):
    table = next(each for each in found if each.attributes.get("class") == "counts")
    rows = [each for each in found if each.tag == "tr" and table in each.around]
    kinds, *counted = [cells(found, row) for row in rows]
    cards = shipped.frames["scorecard"]
    assert kinds == ["verdict", *claims.Kind.__args__, "all"]
    for verdict, *numbers in counted:
        own = cards[cards["verdict"] == verdict]
        assert list(map(int, numbers)) == [*((own["kind"] == kind).sum() for kind in kinds[1:-1]), len(own)]
    assert [row[0] for row in counted] == list(claims.Outcome.__args__)
    assert scoring.told(shipped.frames)[-1] in squeezed(shipped.html)


def test_items_come_in_the_papers_order_and_others_after(found: list[Element]):
    order = list(articles(found))
    figures = [f"fig{number}" for number in range(1, 8)]
    assert order[:10] == [*figures, "table1", "fig8", "fig9"]
    shipped = {entry.item for entry in catalogue.entries().values() if (PUBLISHED / f"{entry.name}.json").exists()}
    assert set(order[10:]) == shipped - set(order[:10])
    around = {item: element.around[-1].attributes["id"] for item, element in articles(found).items()}
    assert {around[item] for item in order[:10]} == {"paper"}
    assert {around[item] for item in order[10:]} == {"beside"}


def test_every_item_has_its_figure_caption_command_and_time(shipped: Made, found: list[Element]):
    for item, article in articles(found).items():
        drawn = [each for each in found if each.tag == "svg" and article in each.around]
        assert len(drawn) == 1
        assert drawn[0].attributes["aria-labelledby"] == f"title-{item}"
        original = (shipped.figures / f"{item}.svg").read_text(encoding="utf-8")
        assert drawn[0].attributes["viewbox"] == re.search(r'viewBox="([^"]*)"', original)[1]
        for tag in ("path", "use", "image"):
            there = [each for each in found if each.tag == tag and drawn[0] in each.around]
            assert len(there) == original.count(f"<{tag} "), (item, tag)
        assert "Published" in article.text or "Claimed" in article.text
        assert f"repro show {item} --tables results/published" in article.text
        assert re.search(r"Time\s+\d[\w. ]* (s|min|h) ", article.text), item


def test_a_command_is_named_only_where_its_configuration_gives_these_settings(shipped: Made, found: list[Element]):
    for item in content.gather(shipped.tables, shipped.figures).items:
        lines = [command.line for command in item.commands if "snakemake" in command.line]
        if item.experiment == "limiting_spectrum":
            assert lines == ["uv run snakemake fig8 --configfile config/initialisation.yaml"]
        assert all(line in articles(found)[item.item].text for line in lines)


def test_identifiers_are_unique_and_everything_referred_to_is_there(shipped: Made, found: list[Element]):
    identifiers = [each.attributes["id"] for each in found if "id" in each.attributes]
    assert len(identifiers) == len(set(identifiers))
    named = [name for each in found for name in each.attributes.get("aria-labelledby", "").split()]
    drawn = re.findall(r"url\(#([^)]+)\)", shipped.html)
    local = [value[1:] for each in found for value in [each.attributes.get("href", "")] if value.startswith("#")]
    assert len(drawn) > 100
    assert set(named + drawn + local) <= set(identifiers)


@pytest.mark.parametrize("which", ["shipped", "own"])
def test_links_resolve(which: str, request: pytest.FixtureRequest):
    made: Made = request.getfixturevalue(which)
    links = [each.attributes["href"] for each in elements(made.html) if each.tag == "a"]
    files = [link for link in links if not link.startswith(("#", "https://"))]
    assert len(files) >= 6 * 4
    for link in files:
        assert (made.figures / unquote(link)).is_file(), link
    assert ("report.html" in links) == (made.configuration is not None)


def test_nothing_is_fetched(shipped: Made, found: list[Element]):
    for each in found:
        for name, value in each.attributes.items():
            if name in ("src", "srcset", "data", "href", "action", "poster", "style") and "http" in value:
                assert each.tag == "a"
    outside_links = re.sub(r'<a href="https://[^"]*">', "", shipped.html)
    assert "http:" not in outside_links
    assert "https:" not in outside_links
    assert "@import" not in shipped.html
    policy = next(each for each in found if each.attributes.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy.attributes["content"]


def test_the_page_is_one_file_of_less_than_six_megabytes(shipped: Made):
    assert 500_000 < shipped.file.stat().st_size < 6_000_000


def test_the_page_comes_out_the_same_each_time_and_wherever_it_lies(run: Run, tmp_path: Path):
    moved = run.copied_to(tmp_path / "there" / "deeper")
    written = [page.write(each.tables, each.figures, each.configuration).read_bytes() for each in (run, run, moved)]
    assert written[0] == written[1] == written[2]
    assert str(tmp_path).encode() not in written[0]


def test_headings_go_down_one_level_at_a_time_and_tables_say_what_heads_what(found: list[Element]):
    levels = [int(each.tag[1]) for each in found if re.fullmatch("h[1-6]", each.tag) and not each.inside("nav")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    heads = [each for each in found if each.tag == "th"]
    assert {each.attributes.get("scope") for each in heads} == {"row", "col"}
    assert {"header", "nav", "main", "footer"} <= {each.tag for each in found}


def test_a_run_says_what_differs_and_how_it_was_made(own: Made):
    text = squeezed(" ".join(each.text for each in articles(elements(own.html)).values()))
    assert "depth 8 instead of 110" in text
    assert "synthetic images instead of all images of CIFAR-10" in text
    assert "epochs 3 instead of 165 / 1,320 / 2,400" in text
    assert "factors 1, 2 instead of 1, 2, 3, 4, 5" in text
    assert "uv run snakemake fig1 --configfile results/small/configuration.json" in text
    assert "1 h 2 min on a CPU, 1 thread" in text
    assert "configuration “small”" in squeezed(own.html)
    assert "scaled down: shallower networks and synthetic images" in own.html


def test_a_real_claim_says_why_its_threshold_and_what_its_rule_was(own: Made):
    claim = next(claim for claim in scoring.claims_of("activation_growth") if claim.history)
    section = next(each for each in elements(own.html) if each.attributes.get("id") == f"claim-{claim.identifier}")
    said = squeezed(section.text)
    for condition in claim.conditions:
        assert squeezed(f"{condition.rule}. {condition.why}") in said
    for change in claim.history:
        assert squeezed(change.reason) in said
        assert squeezed(change.old) in said
    assert "Too few networks." in said


def test_figure_1_is_told_in_one_sentence(shipped: Made, own: Made):
    cards = shipped.frames["scorecard"]
    verdicts = cards[cards["item"] == "fig1"]["verdict"]
    sentence = content.gather(shipped.tables, shipped.figures).first_figure
    assert all(f"{(verdicts == verdict).sum()} {verdict}" in sentence for verdict in set(verdicts))
    assert "of its 3 claims" in sentence
    assert sentence in squeezed(shipped.html.replace("&#39;", "'"))
    assert "ResNet-8, 3 epochs; no claim was decided" in own.html
    fewer = validate(SMALL | {"experiments": {"limiting_spectrum": {"factors": [1, 2]}}})
    assert "is not part of this run" in content.gather(own.tables, own.figures, fewer).first_figure


def test_a_scorecard_without_a_single_claim_makes_a_page(run: Run):
    made = page.write(run.tables, run.figures, run.configuration).read_text(encoding="utf-8")
    assert "0 claims by verdict and kind" in made
    assert set(articles(elements(made))) == {"fig1", "fig5", "fig8", "condition_number"}


def test_a_claim_of_no_numbers_says_why(run: Run):
    frames = scorecard(["fig5"])
    frames["scorecard"] = frames["scorecard"].assign(because="no seed finished", p_value=np.nan, p_holm=np.nan)
    write_scorecard(run.tables, frames | {"scorecard_numbers": frames["scorecard_numbers"].iloc[:0]})
    made = page.write(run.tables, run.figures, run.configuration).read_text(encoding="utf-8")
    assert made.count("No seed finished.") == 3


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("results/small/scorecard.csv", "scorecard.csv is missing, damaged or without"),
        ("paper_figures/small/fig5.svg", "fig5.svg cannot be read .*; draw the figures of these tables again."),
        ("results/small/activation_growth.parquet", "activation_growth.parquet cannot be read"),
    ],
)
def test_a_missing_file_is_named_and_no_page_is_written(missing: str, told: str, run: Run):
    (run.root / missing).unlink()
    with pytest.raises(UserError, match=told):
        page.write(run.tables, run.figures, run.configuration)
    assert not (run.figures / "index.html").exists()


def test_what_is_no_figure_is_refused(run: Run):
    for broken in ("<svg", "<svg/>", "<svg width='wide'/>"):
        (run.figures / "fig5.svg").write_text(broken)
        with pytest.raises(UserError, match=r"fig5.svg is not a figure that was drawn here; draw the figures of"):
            page.write(run.tables, run.figures, run.configuration)


def test_tables_of_another_configuration_are_refused(own: Made):
    other = validate(SMALL | {"name": "other"})
    with pytest.raises(UserError, match="was measured under other settings than the configuration's"):
        page.write(own.tables, own.figures, other)
