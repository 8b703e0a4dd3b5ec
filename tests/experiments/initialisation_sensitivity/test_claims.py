import numpy as np
import pandas as pd
import pytest

from repro.experiments.initialisation_sensitivity import claims
from repro.results.claims import Scale, judge
from tests.experiments.initialisation_sensitivity.test_show import outcomes

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame) -> list[str]:
    """Of the share of initialisations, of the spread."""
    cards, _ = judge("initialisations", claims.CLAIMS, table, PAPER, "")
    return cards["verdict"].tolist()


def test_numbers_are_what_was_put_in():
    assert verdicts(outcomes()) == ["reproduced"] * 2
    _, numbers = judge("initialisations", claims.CLAIMS, outcomes(), PAPER, "")
    spreads = [np.std(accuracies * 4, ddof=1) for accuracies in ([40, 50, 45], [10, 40, 10])]
    assert numbers["value"].tolist() == pytest.approx([2 / 3, spreads[0] - spreads[1]], abs=0.2)
    assert numbers["networks"].tolist() == [5, 5]


def test_each_claim_can_fail():
    assert verdicts(outcomes((0.1, 0.6, np.nan), (0.3, 0.4, 0.35))) == ["not reproduced"] * 2
    # As many train, and the outcome is more even; and the other way round.
    assert verdicts(outcomes((0.4, 0.5, 0.45), (0.3, 0.9, 0.6))) == ["not reproduced", "reproduced"]
    assert verdicts(outcomes((0.3, 0.9, 0.3), (0.1, 0.4, np.nan))) == ["reproduced", "not reproduced"]


def test_networks_that_never_train_have_no_spread_to_speak_of():
    cards, _ = judge("initialisations", claims.CLAIMS, outcomes(without=(0.1, 0.1, np.nan)), PAPER, "")
    assert cards["verdict"].tolist() == ["reproduced", "undecided"]
    assert "train from no initialisation" in cards["because"].iloc[1]


def test_undecided_when_seeds_or_cells_are_few_or_one_kind_is_missing():
    assert verdicts(outcomes(seeds=4)) == ["undecided"] * 2
    assert verdicts(outcomes(schemes=("xavier_normal", "orthogonal"))) == ["undecided"] * 2
    assert verdicts(outcomes().query("normalisation == 'batch'")) == ["undecided"] * 2
    # A seed without all cells is left out.
    lacking = outcomes().query("not (seed == 0 and gain == 10 and normalisation == 'none')")
    assert verdicts(lacking) == ["undecided"] * 2
