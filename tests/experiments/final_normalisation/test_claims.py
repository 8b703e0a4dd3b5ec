"""One final layer against BN everywhere and none, from made-up accuracies."""

import numpy as np
import pandas as pd
import pytest

from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table

KINDS = ("batch", "batch-final", "none")


def made(final: float, rise: float = 0.0) -> pd.DataFrame:
    """BN everywhere gains 12 points over none at the best rates, one final layer `final`; the largest rate diverges."""
    best = {"batch": 0.62, "batch-final": 0.5 + final / 100, "none": 0.5}
    finals = {(kind, rate): best[kind] - loss for kind in KINDS for rate, loss in ((0.1, 0.0), (0.03, 0.05))}
    finals |= {("none", 0.3): float("nan")}
    found = table("learning_rate", finals)
    # Seeds differ, and differ in how much they gain.
    jitter = 0.002 * np.sin(np.arange(len(found)))
    return found.assign(test_accuracy=found["test_accuracy"] + jitter, rise=rise)


@pytest.mark.parametrize(
    ("final", "gains", "two_thirds"),
    [
        (8.0, "reproduced", "reproduced"),
        (3.0, "reproduced", "not reproduced"),
        (12.0, "reproduced", "not reproduced"),
        (-3.0, "not reproduced", "not reproduced"),
        (6.0, "reproduced", "undecided"),
    ],
)
def test_verdicts(final: float, gains: str, two_thirds: str, tmp_path):
    summary, cards = show_and_judge("final_normalisation", made(final), tmp_path)
    assert cards.set_index("claim")["verdict"].to_dict() == {
        "one_final_layer_gains": gains,
        "final_layer_gives_two_thirds": two_thirds,
    }
    assert summary["diverged"].sum() == 3


def test_each_is_taken_at_its_best_rate(tmp_path):
    found = made(8.0)
    better = (found["normalisation"] == "batch") & (found["learning_rate"] == 0.03)
    found.loc[better, "test_accuracy"] += 0.17
    _, cards = show_and_judge("final_normalisation", found, tmp_path)
    assert cards["verdict"].tolist() == ["reproduced", "not reproduced"]  # 8 of 24 points


def test_what_has_not_levelled_off_decides_nothing(tmp_path):
    _, cards = show_and_judge("final_normalisation", made(8.0, rise=0.05), tmp_path)
    assert cards["verdict"].tolist() == ["undecided"] * 2
    assert cards["because"].str.contains("has not levelled off").all()
