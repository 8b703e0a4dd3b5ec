"""The reference page of the configuration, `docs/configuration.md`, generated from the classes of its settings."""

import json
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from repro.settings.configuration import Configuration
from repro.settings.explanations import section_of
from repro.settings.types import Section

INTRODUCTION = """\
# Configuration

Generated from `repro/settings/` and the experiments' `settings.py` by `python -m repro schema`; edit there. Defaults
are the paper's values where it gives them; what was recalled from it, or found by trial because it says nothing, is
marked.

Overlay files with `--configfile BASE OVERLAY`: mappings are merged, lists replaced.

An experiment compares the `recipes` it lists, or its default ones. Each is a mapping of fields of
[`recipe`](#recipe), those in which it differs from that base; `images` in it is merged field by field. A list in
place of a value, like `{normalisation: [batch, none], learning_rate: [0.1, 0.03]}`, stands for one recipe with each
combination of values, here four (`drops`, a list itself, takes a list of lists). A recipe is
called by its normalisation and what else differs: with the base's defaults,
`{normalisation: none, learning_rate: 0.003}` is `none-lr0.003`, in tables, in files and for
`python -m repro train none-lr0.003`. Experiments that ask for the same recipe share its training.
"""


def reference_page() -> str:
    """The Markdown reference of all settings, for `docs/configuration.md`."""
    return "\n".join([INTRODUCTION.rstrip(), *_described(Configuration, "")]) + "\n"


def _described(section: type[Section], path: str) -> list[str]:
    """A section's heading and table, and those of the sections inside it."""
    lines = ["", f"## `{path}`" if path else "## Top level", "", " ".join((section.__doc__ or "").split()), ""]
    if not section.model_fields:
        return [*lines, "No settings of its own."]
    lines += ["| setting | type and range | default | meaning |", "| --- | --- | --- | --- |"]
    inside: list[str] = []
    properties = section.model_json_schema(ref_template="{model}")["properties"]
    for name, field in section.model_fields.items():
        below = section_of(field.annotation)
        where = f"{path}.{name}" if path else name
        kind, default = "section", "see below"
        if isinstance(below, type) and issubclass(below, Section):
            inside += _described(below, where)
        else:
            kind, default = _kind(properties[name]), _default(field)
        lines.append(f"| `{where}` | {kind} | {default} | {field.description} |")
    return lines + inside


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    if value is None or isinstance(value, bool):  # as YAML writes them; 1 is not true
        return json.dumps(value)
    if isinstance(value, list):
        value = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return f"`{value}`"


def _kind(schema: dict[str, Any]) -> str:
    """The type and range of a setting in words, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema["type"])
    if kind == "array":
        return f"list of {'mappings' if schema['items']['type'] == 'object' else _kind(schema['items'])}"
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {schema[limit]:g}" for limit, sign in limits.items() if limit in schema)])
