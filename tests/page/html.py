"""A page taken apart, as a browser would."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass(eq=False)
class Element:
    """An element with its attributes, the elements around it and its text, that of those within it too."""

    tag: str
    attributes: dict[str, str]
    around: list["Element"]
    text: str = ""

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def inside(self, tag: str) -> bool:
        return any(other.tag == tag for other in self.around)


@dataclass(eq=False)
class Elements(HTMLParser):
    """All elements of a page, in order."""

    found: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attributes):
        element = Element(tag, {name: value or "" for name, value in attributes}, list(self.open))
        self.found.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.found.append(Element(tag, {name: value or "" for name, value in attributes}, list(self.open)))

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.text += data


def elements(html: str) -> list[Element]:
    """All elements of a page; fails where tags are not nested."""
    parser = Elements()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.found
