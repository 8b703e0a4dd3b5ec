"""Numbers, intervals and times as the page prints them."""

import math

import pytest

from repro.page import words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (-0.03171, "−0.0317"),
        (1684.4, "1,684"),
        (99_999.0, "99,999"),
        (5.4e6, "5.4 × 10⁶"),
        (-1.234e-12, "−1.23 × 10⁻¹²"),
        (math.nan, "–"),
        (math.inf, "beyond the range"),
    ],
)
def test_numbers(value: float, told: str):
    assert words.number(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (251.8, "251.8"),
        (3830.0, "3,830"),
        (-0.9, "−0.9"),
        (7.5e-5, "7.5 × 10⁻⁵"),
        (-3e8, "−3 × 10⁸"),
        (112.8125, "112.8125"),
    ],
)
def test_published_numbers_keep_their_digits(value: float, told: str):
    assert words.published(value) == told


def test_intervals_say_why_there_is_none():
    assert words.interval(0.25, 4, 20) == "0.25 to 4"
    assert words.interval(math.nan, math.nan, 2) == "none"
    assert words.interval(0.5, 0.5, 0) == "exact"


def test_regions():
    assert words.region(2, math.inf) == "above 2"
    assert words.region(-math.inf, -0.5) == "below −0.5"
    assert words.region(-0.5, 0.5) == "between −0.5 and 0.5"


def test_p_values():
    assert [words.p_value(value) for value in (0.03125, 1e-9, math.nan)] == ["0.031", "below 0.0001", "–"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.123, "0.12 s"),
        (6, "6 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (215, "3 min 35 s"),
        (13716, "3 h 49 min"),
        (7199, "2 h"),
    ],
)
def test_times(seconds: float, told: str):
    assert words.duration(seconds) == told


def test_lists():
    assert [words.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [words.counted(count, "claim") for count in (0, 1, 1200)] == ["0 claims", "1 claim", "1,200 claims"]
