"""Colours of the page: contrast of WCAG AA in both schemes, from the style sheet itself."""

import re

import pytest

from repro.page.writing import FOLDER

STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
# Text and what it stands on: 4.5. What is no text but has to be seen: 3.
TEXT = [
    *((text, ground) for text in ("ink", "quiet", "accent", "outside") for ground in ("page", "panel")),
    *((f"on-{verdict}", verdict) for verdict in ("reproduced", "not-reproduced", "undecided")),
    ("page", "accent"),
]
SEEN = [("accent", "page"), ("quiet", "page"), *((verdict, "page") for verdict in ("reproduced", "not-reproduced"))]


def schemes() -> dict[str, dict[str, str]]:
    """Colours by name, in the light and the dark scheme."""
    light, dark = re.findall(r":root \{\n(.*?)\n\s*\}", STYLE, flags=re.DOTALL)[:2]
    read = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in (light, dark)]
    return {"light": read[0], "dark": read[0] | read[1]}


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.1 defines it."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_can_be_told_from_what_they_stand_on(scheme: str):
    colours = schemes()[scheme]
    assert {name: contrast(colours[name[0]], colours[name[1]]) for name in TEXT if _below(colours, name, 4.5)} == {}
    assert {name: contrast(colours[name[0]], colours[name[1]]) for name in SEEN if _below(colours, name, 3)} == {}


def _below(colours: dict[str, str], pair: tuple[str, str], least: float) -> bool:
    return contrast(colours[pair[0]], colours[pair[1]]) < least


def test_every_colour_of_the_style_sheet_is_checked():
    light, dark = schemes().values()
    checked = {name for pair in (*TEXT, *SEEN) for name in pair}
    assert set(light) - {"line"} == checked  # lines part what space parts as well
    assert set(light) == set(dark)
    used = re.sub(r"@media print \{.*", "", re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL), flags=re.DOTALL)
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", used)) == {"#ffffff"}  # the card behind figures
