import numpy as np
import pandas as pd
import pytest

from repro.experiments.landscape import claims
from repro.results.claims import Scale, judge
from tests.experiments.landscape.test_show import landscapes

SMALL = Scale(8, True)


def verdicts(table: pd.DataFrame, scale: Scale = SMALL) -> list[str]:
    """Of the loss, of the gradient, and of beta."""
    cards, _ = judge("smoothness", claims.CLAIMS, table, scale, "")
    return cards["verdict"].tolist()


def test_smaller_is_reproduced_and_larger_is_not():
    assert verdicts(landscapes()) == ["reproduced"] * 3
    assert verdicts(landscapes(2.0, 2.0, 2.0)) == ["not reproduced"] * 3
    assert verdicts(landscapes(1.0, 1.0, 1.0, scatter=0.5)) == ["undecided"] * 3


def test_the_three_measures_are_judged_apart():
    assert verdicts(landscapes(0.5, 2.0, 2.0)) == ["reproduced", "not reproduced", "not reproduced"]
    assert verdicts(landscapes(2.0, 0.5, 2.0)) == ["not reproduced", "reproduced", "not reproduced"]
    assert verdicts(landscapes(2.0, 2.0, 0.5)) == ["not reproduced", "not reproduced", "reproduced"]


def test_every_moment_has_to_hold():
    table = pd.concat([landscapes(moments=(0.0, 0.5)), landscapes(2.0, 2.0, 2.0, moments=(1.0,))], ignore_index=True)
    assert verdicts(table) == ["not reproduced"] * 3
    _, numbers = judge("smoothness", claims.CLAIMS, table, SMALL, "")
    assert numbers["label"].tolist() == ["untrained", "after 50 %", "trained"] * 3
    assert numbers["position"].tolist() == ["inside", "inside", "outside"] * 3
    assert numbers["value"].tolist() == pytest.approx([-np.log(2), -np.log(2), np.log(2)] * 3, abs=0.25)


def test_larger_steps_of_a_larger_rate_do_not_count():
    assert verdicts(landscapes(rates=(0.1, 0.01))) == ["undecided"] * 3
    assert verdicts(landscapes(rates=(0.1, 0.01), common=0.05)) == ["reproduced"] * 3


def test_an_overflow_without_counts_as_more_without():
    table = landscapes(seeds=7)
    lost = (table["seed"] == 0) & (table["normalisation"] == "none")
    table.loc[lost, ["loss", "gradient_change"]] = np.inf
    assert verdicts(table) == ["reproduced"] * 3


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (landscapes(moments=(0.0,)), "it takes networks in training"),
        (landscapes().query("normalisation == 'batch'"), "it takes one recipe with BN and one without"),
        (landscapes().query("normalisation == 'batch' or after == 0"), "at one moment: trained"),
        (landscapes().assign(loss_before=np.nan), "at one moment: untrained"),
        (landscapes(rates=(0.1, 0.01)), "set the study's `rate`"),
        (landscapes(seeds=1), "no interval from 1"),
    ],
)
def test_undecided_where_the_table_lacks_something(table, reason):
    cards, _ = judge("smoothness", claims.CLAIMS, table, SMALL, "")
    assert cards["verdict"].tolist() == ["undecided"] * 3
    assert all(reason in because for because in cards["because"])


def test_synthetic_images_decide_nothing():
    assert verdicts(landscapes(), Scale(110, False)) == ["not run at this scale"] * 3
