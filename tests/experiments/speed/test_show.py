"""Updates until accuracies, from made-up histories that rise in a straight line."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.speed import show
from repro.experiments.speed.measure import measure
from repro.experiments.speed.settings import COLUMNS, Settings
from tests.experiments.tables import show_and_judge

EPOCHS = 20


def history(kind: str, rate: float, final: float, epochs_to_final: int, seeds: int = 3) -> pd.DataFrame:
    """Test accuracy rises from chance to `final` in a straight line within so many epochs, one more for each seed."""
    rows = []
    for seed in range(seeds):
        for epoch in range(1, EPOCHS + 1):
            accuracy = 0.1 + (final - 0.1) * min(1, epoch / (epochs_to_final + seed))
            numbers = [rate, 1.0, accuracy, 1.0, accuracy, 1.0, 1.0]
            rows.append([f"{kind}-{rate}", kind, rate, EPOCHS, seed, "finished", epoch, 10 * epoch, *numbers])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def made(slow: int = 16, fast: int = 4, seeds: int = 3) -> pd.DataFrame:
    parts = [history("batch", 0.1, 0.6, fast, seeds), history("batch", 0.01, 0.65, 12, seeds)]
    parts += [history("none", 0.01, 0.5, slow, seeds), history("none", 0.001, 0.3, 16, seeds)]
    return pd.concat(parts, ignore_index=True)


def test_histories_are_kept_as_they_are():
    pd.testing.assert_frame_equal(measure(made(), Settings()), made())


def test_targets_are_shares_of_the_way_to_what_both_reach():
    assert show.targets(made()) == pytest.approx([0.1 + share * 0.4 for share in (0.5, 0.75, 0.95)])
    assert show.targets(made().query("normalisation == 'batch'")) == []
    lost = made()
    lost.loc[(lost["normalisation"] == "none") & (lost["seed"] == 1), "status"] = "diverged"
    assert show.targets(lost) == []


def test_updates_to_a_target_against_a_loop():
    table = made()
    for accuracy in show.targets(table):
        found = show.updates_to(table, accuracy)
        for row in found.itertuples():
            own = table[(table["recipe"] == row.recipe) & (table["seed"] == row.seed)].sort_values("epoch")
            expected = next((each.steps for each in own.itertuples() if each.test_accuracy >= accuracy), np.nan)
            assert row.updates == expected or (np.isnan(row.updates) and np.isnan(expected))


def test_each_is_taken_at_its_fastest_rate_of_those_that_arrive():
    table = made()
    goal = show.targets(table)[2]
    assert show.fastest(table, goal, "batch").name == 0.1
    assert show.fastest(table, goal, "none").name == 0.01
    slower = table[~((table["recipe"] == "batch-0.1") & (table["seed"] == 1) & (table["epoch"] > 2))]
    assert show.fastest(slower, goal, "batch").name == 0.01
    assert show.fastest(table, 0.99, "none").empty


def test_the_ratio_is_the_geometric_mean_of_paired_ratios():
    table = made()
    goal = show.targets(table)[1]
    with_, without = show.fastest(table, goal, "batch"), show.fastest(table, goal, "none")
    logs = [np.log10(without[seed] / with_[seed]) for seed in range(3)]
    assert show.ratio(table, goal).value == pytest.approx(np.mean(logs))


def test_shown_and_judged(tmp_path):
    summary, cards = show_and_judge("speed", made(), tmp_path)
    assert len(summary) == 3
    assert cards.set_index("claim")["verdict"].to_dict() == {
        "trains_faster": "reproduced",
        "trains_ten_times_faster": "not reproduced",
    }
    _, cards = show_and_judge("speed", made(slow=4, fast=16), tmp_path)
    assert cards["verdict"].tolist() == ["not reproduced"] * 2
    _, cards = show_and_judge("speed", made(seeds=2), tmp_path)
    assert cards["verdict"].tolist() == ["undecided"] * 2
    assert cards["because"].str.contains("2 networks reached it, fewer than 3").all()


def test_a_table_without_targets_is_shown(tmp_path):
    summary, cards = show_and_judge("speed", made().query("normalisation == 'batch'"), tmp_path)
    assert summary.empty
    assert "updates with BN, mean" in summary.columns
    assert cards["verdict"].tolist() == ["undecided"] * 2
