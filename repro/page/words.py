"""Numbers and times in words, as the page prints them."""

import math


def number(value: float) -> str:
    """Three significant digits, with a real minus sign and powers of ten as people write them; missing ones a dash."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "beyond the range"
    if _plain(value):
        return f"{value:,.0f}".replace("-", "−") if abs(value) >= 100 else f"{value:.3g}".replace("-", "−")
    return _scientific(f"{value:.2e}")


def published(value: float) -> str:
    """A number of the paper's with all the digits that it was published with."""
    return f"{value:,.12g}".replace("-", "−") if _plain(value) else _scientific(f"{value:.11e}")


def interval(low: float, high: float, networks: int) -> str:
    """The ends of an interval, or why there are none."""
    if math.isnan(low) or math.isnan(high):
        return "none"
    if not networks:
        return "exact"
    return f"{number(low)} to {number(high)}"


def region(above: float, below: float) -> str:
    """Where a number has to lie."""
    if math.isfinite(above) and math.isfinite(below):
        return f"between {number(above)} and {number(below)}"
    bounds = {"above": above, "below": below}
    return " and ".join(f"{side} {number(bound)}" for side, bound in bounds.items() if math.isfinite(bound))


def p_value(value: float) -> str:
    """A p-value to two digits; very small ones as a bound."""
    return "–" if math.isnan(value) else "below 0.0001" if value < 1e-4 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def listed(names: list[str]) -> str:
    """Names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def counted(count: int, singular: str) -> str:
    """A number of things, the plural with -s."""
    return f"{count:,} {singular}{'' if count == 1 else 's'}"


def _plain(value: float) -> bool:
    """Whether a number is read more easily without a power of ten."""
    return value == 0 or 1e-3 <= abs(value) < 1e5


def _scientific(text: str) -> str:
    digits, exponent = text.split("e")
    digits = digits.rstrip("0").rstrip(".")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits} × 10{raised}".replace("-", "−")
