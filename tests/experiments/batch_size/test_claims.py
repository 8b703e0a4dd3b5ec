import pandas as pd
import pytest

from repro.experiments.batch_size import claims
from repro.experiments.batch_size.show import EPOCHS, UPDATES
from repro.results.claims import Scale, judge
from tests.experiments.batch_size.test_show import FLAT, HURT, outcomes

PAPER = Scale(110, True)


def verdicts(table: pd.DataFrame) -> list[str]:
    """That small ones hurt, that Batch Renormalization repairs, that the noise regularises."""
    cards, _ = judge("batch_sizes", claims.CLAIMS, table, PAPER, "")
    return cards["verdict"].tolist()


def test_numbers_are_what_was_put_in():
    made = outcomes()
    assert verdicts(made) == ["reproduced"] * 3
    _, numbers = judge("batch_sizes", claims.CLAIMS, made, PAPER, "")
    # 20 points lost, without BN none; 0.65 instead of 0.5; 2 points for each doubling, without BN none.
    assert numbers["value"].tolist() == pytest.approx([-20, -20, -20, -20, 15, 15, 2, 2], abs=1)
    labels = [f"b = 8, {protocol}" for protocol in (EPOCHS, UPDATES)]
    assert numbers["label"].tolist() == [*labels * 3, "-", "-"]


def test_each_claim_can_fail():
    fine = FLAT | {"batch": lambda size: 0.7}
    assert verdicts(outcomes(fine, gap={}))[1] == "not reproduced"
    better = FLAT | {"batch": lambda size: 0.7 + 0.05 * (size == 8)}
    assert verdicts(outcomes(better))[0] == "not reproduced"
    # What hurts without BN as much is not BN's.
    both = HURT | {"none": lambda size: HURT["batch"](size) - 0.1 * (size == 8)}
    assert verdicts(outcomes(both))[0] == "not reproduced"
    narrower = outcomes(gap={"batch": lambda size: -0.02 * size / 8})
    assert verdicts(narrower)[2] == "not reproduced"
    wider_without = outcomes(gap={"batch": lambda size: 0.01 * size / 8, "none": lambda size: 0.05 * size / 8})
    assert verdicts(wider_without)[2] == "not reproduced"


def test_both_protocols_have_to_agree():
    made = outcomes()
    better = (made["normalisation"] == "batch") & (made["batch_size"] == 8) & (made["epochs"] == 4)
    made.loc[better, ["test_accuracy", "train_accuracy"]] += 0.5
    assert verdicts(made) == ["not reproduced", "not reproduced", "reproduced"]
    assert verdicts(outcomes().query("epochs == 64")) == ["undecided", "undecided", "reproduced"]


def test_only_equal_epochs_have_to_level_off():
    made = outcomes()
    short = made["epochs"] < 64
    assert verdicts(made.assign(rise=made["rise"].where(~short, 0.1))) == ["reproduced"] * 3
    assert verdicts(made.assign(rise=made["rise"].where(short, 0.1))) == ["undecided"] * 3


def test_undecided_when_networks_are_few_diverge_or_sizes_are_not_small():
    assert verdicts(outcomes(seeds=2)) == ["undecided"] * 3
    assert verdicts(outcomes(sizes=(16, 32, 128))) == ["undecided"] * 3
    made = outcomes()
    assert verdicts(made[made["normalisation"] != "batch_renormalisation"]) == ["reproduced", "undecided", "reproduced"]
    lost = made["normalisation"] == "none"
    made.loc[lost & (made["batch_size"] == 8), ["train_accuracy", "test_accuracy", "rise"]] = float("nan")
    made.loc[lost & (made["batch_size"] == 8), "status"] = "diverged"
    assert verdicts(made) == ["undecided", "reproduced", "undecided"]
    assert verdicts(outcomes(sizes=(8, 32, 64))) == ["undecided"] * 3
