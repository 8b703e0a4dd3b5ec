"""The reference page of the configuration, `docs/configuration.md`, generated from `repro/config.py`."""

import json
from typing import Any, get_origin

from pydantic.fields import FieldInfo

from repro.config import Configuration, Section
from repro.config_errors import section_of


def reference_page() -> str:
    """The Markdown reference of all settings, for `docs/configuration.md`."""
    lines = [
        "# Configuration",
        "",
        "Generated from `repro/config.py` by `python -m repro schema`; edit there. Defaults are the paper's values "
        "where it gives them; what was recalled from it, or found by trial because it says nothing, is marked.",
        "Overlay files with `--configfile BASE OVERLAY`: mappings are merged, lists replaced.",
    ]
    _describe(Configuration, "", lines)
    return "\n".join(lines) + "\n"


def _describe(section: type[Section], prefix: str, lines: list[str]) -> None:
    title = f"`{prefix.rstrip('.')}`" if prefix else "Top level"
    description = " ".join((section.__doc__ or "").split())
    lines += ["", f"## {title}", "", description, ""]
    if not section.model_fields:
        lines.append("No settings of its own.")
        return
    lines += ["| setting | type and range | default | meaning |", "| --- | --- | --- | --- |"]
    inner: list[tuple[str, type[Section]]] = []
    properties = section.model_json_schema(ref_template="{model}")["properties"]
    for name, field in section.model_fields.items():
        below = section_of(field.annotation)
        if isinstance(below, type) and issubclass(below, Section):
            is_list = get_origin(field.annotation) is list
            inner.append((f"{prefix}{name}{'[]' if is_list else ''}.", below))
            kind, default = ("list of sections" if is_list else "section"), "see below"
            if is_list:
                default = ", ".join(str(getattr(value, "name", value)) for value in field.get_default())
        else:
            kind, default = _kind(properties[name]), _default(field)
        lines.append(f"| `{prefix}{name}` | {kind} | {default} | {field.description} |")
    for path, below in inner:
        _describe(below, path, lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    if value is None or isinstance(value, bool):  # as YAML writes them; 1 is not true
        return json.dumps(value)
    return f"`{value}`"


def _kind(schema: dict[str, Any]) -> str:
    """The type and range of a setting in words, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema["type"])
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {schema[limit]:g}" for limit, sign in limits.items() if limit in schema)])
