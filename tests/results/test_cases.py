"""The cases of a comparison: which there are, what they are called, and how they are told apart."""

import itertools

import pandas as pd
import pytest

from repro.results import looks
from repro.results.cases import called, cases, moment
from repro.results.colours import BLUE


def table(*networks: tuple[str, str, float], seeds: int = 2) -> pd.DataFrame:
    """Two rows per seed of each network: its recipe, its normalisation and the moment."""
    rows = [(*network, seed, row) for seed, network, row in itertools.product(range(seeds), networks, range(2))]
    return pd.DataFrame(rows, columns=["recipe", "normalisation", "after", "seed", "value"])


PAIR = table(("batch", "batch", 0.0), ("none", "none", 0.0))
# None of the names is its normalisation's, and two recipes share that of `none`.
SEVERAL = table(
    *itertools.product(["batch-depth20"], ["batch"], [0.5, 0.0]),
    *itertools.product(["none-lr0.003"], ["none"], [0.0, 0.5]),
    ("none-batch16", "none", 0.0),
    ("batch-final", "batch-final", 1.0),
)


@pytest.mark.parametrize(
    ("after", "words"),
    [(0.0, "untrained"), (0.1, "after 10 %"), (0.025, "after 2.5 %"), (0.29, "after 29 %"), (1.0, "trained")],
)
def test_moments_in_words(after, words):
    assert moment(after) == words


def test_the_pair_has_the_looks_of_its_normalisations():
    with_, without = cases(PAIR)
    assert (with_.label, with_.colour, with_.line) == ("with BN", BLUE, "-")
    assert (without.label, without.colour, without.line) == ("without BN", looks.ORANGE, "-")
    assert (with_.recipe, with_.normalisation, with_.after) == ("batch", "batch", 0.0)


def test_cases_are_in_the_order_of_the_table():
    found = [(case.recipe, case.after) for case in cases(SEVERAL)]
    assert found == list(SEVERAL[["recipe", "after"]].drop_duplicates().itertuples(index=False, name=None))
    assert [case.recipe for case in cases(PAIR.iloc[::-1])] == ["none", "batch"]


def test_rows_of_the_cases_are_the_whole_table():
    parts = [case.rows(SEVERAL) for case in cases(SEVERAL)]
    assert all(len(part) == 4 for part in parts)
    assert sorted(itertools.chain(*(part.index for part in parts))) == SEVERAL.index.tolist()
    for case, part in zip(cases(SEVERAL), parts, strict=True):
        assert set(part["recipe"]) == {case.recipe}
        assert set(part["after"]) == {case.after}
        assert set(part["normalisation"]) == {case.normalisation}


def test_recipes_are_called_by_their_normalisation_where_it_tells_them_apart():
    assert called(SEVERAL) == {
        "batch-depth20": "with BN",
        "none-lr0.003": "none-lr0.003",
        "none-batch16": "none-batch16",
        "batch-final": "one final BN",
    }


def test_labels_name_the_moment_where_there_are_several():
    assert [case.label for case in cases(SEVERAL)] == [
        "with BN, after 50 %",
        "with BN, untrained",
        "none-lr0.003, untrained",
        "none-lr0.003, after 50 %",
        "none-batch16, untrained",
        "one final BN, trained",
    ]
    later = cases(table(("batch", "batch", 0.5), ("none", "none", 0.5)))
    assert [case.label for case in later] == ["with BN", "without BN"]


def test_cases_are_told_apart():
    many = table(*itertools.product([f"batch-lr{n}" for n in range(4)], ["batch"], [0.0, 0.1, 1.0]))
    for found in (cases(PAIR), cases(SEVERAL), cases(many)):
        assert len({case.label for case in found}) == len(found)
        assert len({case.colour for case in found}) == len(found)
    assert {case.line for case in cases(many)} == {"-", "--", "-.", ":"}


def test_a_normalisation_without_a_row_goes_by_its_label():
    (case,) = cases(table(("quartet", "quartet", 0.0)))
    assert (case.label, case.line) == ("quartet", "-")


def test_an_index_that_repeats_itself_does_not_matter():
    doubled = pd.concat([PAIR, PAIR.assign(after=1.0)])
    assert len(cases(doubled)) == 4
    assert [case.after for case in cases(doubled)] == [0.0, 0.0, 1.0, 1.0]
