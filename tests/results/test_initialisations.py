"""Cases compared by initialisation: colour, line, and labels that tell them apart."""

import pandas as pd

from repro.results import looks
from repro.results.cases import Case
from repro.results.initialisations import by_initialisation


def compared(*rows: tuple[str, str, float, str]) -> list[Case]:
    return by_initialisation(pd.DataFrame(rows, columns=["recipe", "normalisation", "after", "initialisation"]))


def test_initialisation_gives_the_colour_and_normalisation_the_line():
    found = compared(
        ("batch", "batch", 0.0, "xavier_normal"),
        ("none", "none", 0.0, "xavier_normal"),
        ("none-orthogonal", "none", 0.0, "orthogonal"),
    )
    xavier, orthogonal = (looks.INITIALISATIONS[kind].colour for kind in ("xavier_normal", "orthogonal"))
    assert [(case.colour, case.line) for case in found] == [(xavier, "-"), (xavier, "--"), (orthogonal, "--")]
    assert [case.label for case in found] == ["Xavier, with BN", "Xavier, without BN", "orthogonal, without BN"]


def test_what_all_share_is_not_named():
    found = compared(("none", "none", 0.0, "xavier_normal"), ("none-he", "none", 0.0, "kaiming_normal"))
    assert [case.label for case in found] == ["Xavier", "He"]


def test_recipes_that_share_both_are_shades_with_their_own_names():
    found = compared(
        ("batch", "batch", 0.0, "xavier_normal"),
        ("batch-batch16", "batch", 0.0, "xavier_normal"),
        ("batch-uniform", "batch", 0.0, "uniform"),
    )
    assert [case.label for case in found] == ["batch", "batch-batch16", "uniform"]
    assert len({case.colour for case in found}) == 3


def test_moments_are_shades_and_named():
    found = compared(("none", "none", 0.0, "orthogonal"), ("none", "none", 0.5, "orthogonal"))
    assert [case.label for case in found] == ["orthogonal, untrained", "orthogonal, after 50 %"]
    assert len({case.colour for case in found}) == 2
