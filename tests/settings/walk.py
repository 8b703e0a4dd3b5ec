"""Where each setting of the configuration is."""

from repro.settings.explanations import section_of
from repro.settings.types import Section


def paths(section: type[Section]) -> list[list[str]]:
    """The path of each setting of a section, its sections' settings behind it."""
    found: list[list[str]] = []
    for name, field in section.model_fields.items():
        found.append([name])
        inner = section_of(field.annotation)
        if isinstance(inner, type) and issubclass(inner, Section):
            found += [[name, *path] for path in paths(inner)]
    return found
