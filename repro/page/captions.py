"""Captions: the text of an experiment's `caption.rst`, filled in from its table's provenance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from docutils.core import publish_parts
from docutils.utils import SystemMessage
from markupsafe import Markup

from repro.machine import code
from repro.machine.errors import UserError
from repro.results import sources

# Nothing outside the text decides how it comes out: no file of docutils' settings, none that the text includes.
SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 2,
    "halt_level": 2,
    "warning_stream": False,
    "initial_header_level": 4,
}


@dataclass(frozen=True)
class Caption:
    """A caption: its heading, in bold in the text, and what follows as HTML."""

    heading: str  # like "Figure 5: moments against depth"
    body: Markup


def caption(experiment: str, provenance: Mapping[str, Any]) -> Caption:
    """An experiment's caption for a table of it; raises `UserError` when the text is not well-formed."""
    path = code.ROOT / "repro" / "experiments" / experiment / "caption.rst"
    return rendered(path.read_text(encoding="utf-8"), experiment, provenance)


def rendered(text: str, experiment: str, provenance: Mapping[str, Any]) -> Caption:
    """A caption's text for a table of an experiment; it speaks of a workflow's `snakemake.config`, here the table's."""
    settings = provenance["settings"]
    config = {
        "name": settings["name"],
        "measured": {experiment: sources.measured_on(experiment, provenance)},
        "experiments": {experiment: settings["settings"]},
    }
    try:
        filled = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(snakemake={"config": config})
        body = publish_parts(filled, writer="html5", settings_overrides=SETTINGS)["body"]
    except (jinja2.TemplateError, SystemMessage) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The caption of {experiment} is not well-formed ({reason}); correct caption.rst.") from None
    first = re.match(r"<p><strong>(.*?)\.?</strong>\s*", body)
    if first is None:
        return Caption(experiment.replace("_", " ").capitalize(), Markup(body))
    return Caption(str(Markup(first[1]).striptags()), Markup("<p>" + body[first.end() :]))
