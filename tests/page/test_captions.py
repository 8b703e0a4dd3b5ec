"""Captions: every experiment's comes out, in one voice, from a table's provenance alone."""

import re

import pytest

from repro.machine.errors import UserError
from repro.page import captions
from repro.results import sources
from repro.settings import catalogue
from repro.settings.configuration import validate
from repro.workflow.captions import measured_on

NAMES = list(catalogue.entries())


def provenance(experiment: str, **settings: object) -> dict:
    configuration = validate({"name": "x", "experiments": {experiment: settings}})
    data = {"name": "CIFAR-10", "checksum": ""} if configuration.recipes_of(experiment) else None
    return {"settings": configuration.part_of(experiment), "data": data}


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_says_what_is_shown_from_what_and_what_was_published_or_claimed(name: str):
    found = captions.caption(name, provenance(name))
    shown, measured, published = re.findall("<p>(.*?)</p>", found.body, flags=re.DOTALL)
    item = catalogue.entry(name).item
    numbered = re.fullmatch(r"(fig|table)(\d+)", item)
    called = f"{'Figure' if numbered[1] == 'fig' else 'Table'} {numbered[2]}: " if numbered else ""
    assert re.fullmatch(rf"{called}\w[^<>.]+", found.heading)
    assert shown[0].isupper()
    assert measured.startswith("Measured ")
    assert re.match(r"(Published|Claimed)( \(|: )", published)
    assert "{" not in found.body


@pytest.mark.parametrize("name", NAMES)
def test_the_report_says_ahead_what_the_page_says_afterwards(name: str):
    configuration = validate({"name": "x", "experiments": {name: {}}})
    assert sources.measured_on(name, provenance(name)) == measured_on(configuration, name)


def test_networks_that_were_looked_at_after_training_say_when():
    said = sources.measured_on("activation_growth", provenance("activation_growth", after=[0.1, 1.0], seeds=1))
    assert "165 epochs" in said
    assert "1 seed; after 10 %, 100 % of training" in said


def test_a_caption_without_a_heading_is_called_by_its_experiment():
    found = captions.rendered("No *heading* & <text>.", "limiting_spectrum", provenance("limiting_spectrum"))
    assert found.heading == "Limiting spectrum"
    assert found.body.strip() == "<p>No <em>heading</em> &amp; &lt;text&gt;.</p>"


@pytest.mark.parametrize(
    "text", ["**never closed", "{{ snakemake.config.nothing }}", "{% if", ".. include:: /etc/hostname", "`x <y"]
)
def test_a_caption_that_is_not_well_formed_is_refused(text: str):
    with pytest.raises(UserError, match=r"The caption of limiting_spectrum is not well-formed \(.+\); correct caption"):
        captions.rendered(text, "limiting_spectrum", provenance("limiting_spectrum"))
