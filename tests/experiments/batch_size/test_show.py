from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.experiments.batch_size import show
from repro.experiments.batch_size.settings import COLUMNS
from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import network

SIZES = (8, 32, 128)
KINDS = ("batch", "none", "batch_renormalisation")
# Test accuracy with BN falls with small mini-batches, and train accuracy still more.
FLAT = {"none": lambda size: 0.5, "batch_renormalisation": lambda size: 0.65, "group": lambda size: 0.66}
HURT = FLAT | {"batch": lambda size: 0.7 - 0.05 * np.log2(128 / size)}


def outcomes(
    accuracy: Mapping[str, Callable[[int], float]] = HURT,
    gap: Mapping[str, Callable[[int], float]] | None = None,
    seeds: int = 5,
    sizes: tuple[int, ...] = SIZES,
) -> pd.DataFrame:
    """Networks under both protocols, 64 epochs at 128; gaps of 0.1, with BN a fiftieth more for each doubling."""
    widths = {"batch": lambda size: 0.02 * np.log2(size)} if gap is None else gap
    random = np.random.default_rng(0)
    rows = []
    for kind, level in accuracy.items():
        for size in sizes:
            for epochs, rate in sorted({(size // 2, 0.1), (64, 0.1 * size / 128)}):
                for seed in range(seeds):
                    test = level(size) + 0.01 * seed + random.normal(0, 0.003)
                    train = test + widths.get(kind, lambda size: 0.1)(size) + random.normal(0, 0.003)
                    row = network(kind, seed, test, train, batch_size=size, learning_rate=rate)
                    updates = epochs * (2560 // size)
                    rows.append(row | {"epochs": epochs, "updates": updates, "renormalisation_start": updates // 16})
    return pd.DataFrame(rows)[list(COLUMNS)]


def test_each_recipe_belongs_to_its_protocol_and_the_shared_one_to_both():
    found = show.protocols(outcomes(seeds=1))
    batch = found[found["normalisation"] == "batch"]
    told = sorted(zip(batch["protocol"], batch["batch_size"], batch["epochs"], batch["updates"], strict=True))
    assert told == [
        ("equal epochs", 8, 64, 20480),
        ("equal epochs", 32, 64, 5120),
        ("equal epochs", 128, 64, 1280),
        ("equal updates", 8, 4, 1280),
        ("equal updates", 32, 16, 1280),
        ("equal updates", 128, 64, 1280),
    ]
    assert found["protocol"].tolist() == sorted(found["protocol"])


def test_what_is_like_the_reference_in_neither_is_other():
    made = outcomes(seeds=1)
    made.loc[made["batch_size"] == 32, "epochs"] = 50
    assert set(show.protocols(made).query("batch_size == 32")["protocol"]) == {"other"}
    without = made[made["batch_size"] != 128]
    assert set(show.protocols(without)["protocol"]) == {"other"}
    assert len(show.protocols(without)) == len(without)
    assert show.plot(without).axes


def test_epochs_may_be_rounded():
    made = outcomes(seeds=1)
    made.loc[made["epochs"] == 16, "epochs"] = 17  # a sixteenth more
    assert len(show.protocols(made).query("protocol == 'equal updates' and batch_size == 32")) == 0
    made.loc[made["batch_size"] == 128, "epochs"] = 66
    assert len(show.protocols(made).query("protocol == 'equal updates' and batch_size == 32")) == 4


def test_summary_has_each_protocol(tmp_path: Path):
    summary, _ = show_and_judge("batch_size", outcomes(seeds=3), tmp_path)
    assert summary["protocol"].value_counts().to_dict() == {"equal epochs": 12, "equal updates": 12}
    shared = summary[summary["recipe"].str.startswith("batch-batch_size128")]
    assert len(shared) == 2
    assert shared["test accuracy, %, mean"].to_numpy() == pytest.approx(71, abs=0.5)
    assert shared["test accuracy minus without BN, points"].str.match(r"(19|20)\.").all()


def test_the_figure_has_a_column_for_each_protocol():
    axes = show.plot(outcomes(seeds=3)).axes
    assert len(axes) == 6
    assert [axis.get_title() for axis in axes[:2]] == ["equal epochs", "equal updates"]
    assert [label.get_text() for label in axes[4].get_xticklabels()] == ["8", "32", "128"]
    bold = [line.get_ydata() for line in axes[0].lines if line.get_linewidth() == 1.8]
    assert len(bold) == 4
    assert np.asarray(bold[-1]) == pytest.approx([51, 61, 71], abs=0.5)  # `accuracy` has BN last
