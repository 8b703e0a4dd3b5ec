import numpy as np
import pandas as pd
import pytest

from repro.experiments.evaluation_statistics import show
from repro.experiments.evaluation_statistics.settings import BATCH, COLUMNS, POPULATION, RUNNING, STANDING
from tests.experiments.tables import keyed


def evaluated(
    running: float = 0.0,
    smallest: float = -30.0,
    size: int = 2,
    accuracy: float = 70.0,
    seeds: int = 4,
    scatter: float = 0.1,
    **keys: object,
) -> pd.DataFrame:
    """Networks that lose these points with running averages and the smallest mini-batches, and a tenth with larger."""
    random = np.random.default_rng(0)
    parts = []
    for seed in range(seeds):
        points = {
            (RUNNING, np.nan, np.nan): running,
            (POPULATION, np.nan, np.nan): 0.0,
            (BATCH, size, np.nan): smallest,
            (BATCH, 128, np.nan): smallest / 10,
            (STANDING, np.nan, 0.01): running,
            (STANDING, np.nan, 1.0): running - 1.0,
        }
        rows = []
        for (name, batch, momentum), difference in points.items():
            noise = scatter * random.standard_normal() * (name != POPULATION)
            values = (accuracy + difference + noise) / 100, 1.2 - difference / 10, accuracy / 100, 1.2
            rows.append((name, batch, momentum, 500 if batch != 128 else 384, *values))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), seed=seed, **{"after": 1.0} | keys))
    return pd.concat(parts, ignore_index=True)


def test_losses_are_from_the_population_of_the_same_network_and_images():
    table = evaluated(running=-0.5, scatter=0)
    found = show.losses(table)
    assert found.loc[found["statistics"] == RUNNING, "points"].tolist() == pytest.approx([-0.5] * 4)
    assert found.loc[found["statistics"] == RUNNING, "nats"].tolist() == pytest.approx([0.05] * 4)
    assert found.loc[found["batch_size"] == 128, "points"].tolist() == pytest.approx([-3.0] * 4)
    # Another accuracy on the images that make up whole mini-batches counts as that.
    fewer = table["batch_size"] == 128
    table.loc[fewer, "population_accuracy"] += 0.02
    assert show.losses(table).loc[fewer, "points"].tolist() == pytest.approx([-5.0] * 4)
    infinite = table.assign(test_loss=np.inf, population_loss=np.inf)
    assert show.losses(infinite)["nats"].isna().all()


def test_summary_by_hand():
    summary = show.summarise(evaluated(running=-0.5)).set_index(["statistics", "b", "averaging momentum"])
    assert len(summary) == 6
    row = summary.loc[(BATCH, "2", "-")]
    assert row["test %, mean"] == pytest.approx(40, abs=0.2)
    assert row["minus population, points"].startswith("-30.04 (-30.1")
    assert row["minus population, nats"] == pytest.approx(3)
    assert summary.loc[(POPULATION, "-", "-"), "minus population, points"] == "-"
    assert summary.loc[(BATCH, "128", "-"), "images"] == 384
    single = show.summarise(evaluated(running=-0.5, seeds=1, scatter=0))
    assert single["minus population, points"].tolist() == ["-0.50", "-", "-30.00", "-3.00", "-0.50", "-1.50"]


def test_figure_has_means_of_paired_differences():
    axes = show.plot(evaluated(running=-0.5, scatter=0)).axes
    assert len(axes) == 2
    batch, moved = ([line for line in axis.lines if line.get_linewidth() == 1.4] for axis in axes)
    assert batch[0].get_xdata().tolist() == [2, 128]
    assert batch[0].get_ydata() == pytest.approx([-30, -3])
    assert moved[0].get_ydata() == pytest.approx([-0.5, -1.5])
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["2", "128"]
    (level,) = [line for line in axes[1].lines if line.get_linewidth() == 0.8]
    assert list(level.get_ydata()) == pytest.approx([-0.5] * 2)


def test_figure_of_several_cases_and_without_averages():
    other = evaluated(recipe="batch-lr0.3")
    table = pd.concat([evaluated(), evaluated(after=0.5), other], ignore_index=True)
    figure = show.plot(table)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:3] == ["batch, trained", "batch, after 50 %", "batch-lr0.3, trained"]
    assert len(show.plot(table[table["statistics"] != STANDING]).axes) == 1
