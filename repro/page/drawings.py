"""Figures as they stand inside the page."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from repro.machine.errors import UserError

LARGER = 1.35  # than in print: the page has room


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG to stand in HTML, and the width in pixels that it may take."""

    svg: Markup
    width: int


def inline(path: Path, described_by: str) -> Drawing:
    """An SVG file of matplotlib's as an element of the page, named by the element whose identifier is given.

    Identifiers are made the figure's own, since matplotlib uses the same in each; those that nothing refers to go,
    and so do metadata and style sheets, which would hold for the whole page. Raises `UserError` when the file is
    missing or no SVG.
    """
    again = "draw the figures of these tables again."
    try:
        root = ElementTree.fromstring(path.read_bytes())
        width = float(root.attrib["width"].removesuffix("pt"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {again}") from None
    except (ElementTree.ParseError, KeyError, ValueError):
        raise UserError(f"{path} is not a figure that was drawn here; {again}") from None
    for element in list(root.iter()):
        for child in list(element):
            if _local(child.tag) in ("metadata", "style", "script", "title"):
                element.remove(child)
    _own_identifiers(root, f"{path.stem}-")
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): " ".join(value.split()) for name, value in element.attrib.items()}
        # White space between elements says nothing, and matplotlib's is a third of the file.
        element.text, element.tail = (element.text or "").strip(), (element.tail or "").strip()
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-labelledby": described_by}
    svg = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    return Drawing(Markup(svg), round(width * 96 / 72 * LARGER))


def _local(name: str) -> str:
    """A name without its namespace, as HTML wants it."""
    return name.rpartition("}")[2]


def _own_identifiers(root: ElementTree.Element, prefix: str) -> None:
    references = re.compile(r"url\(#([^)]+)\)")
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if _local(name) == "href" and value.startswith("#"):
                used.add(value[1:])
                element.attrib[name] = f"#{prefix}{value[1:]}"
            elif "url(#" in value:
                used.update(references.findall(value))
                element.attrib[name] = references.sub(rf"url(#{prefix}\1)", value)
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        if identifier in used:
            element.attrib["id"] = f"{prefix}{identifier}"
