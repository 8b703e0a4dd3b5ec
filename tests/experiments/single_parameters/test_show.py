import itertools

import numpy as np
import pandas as pd
import pytest

from repro.experiments.single_parameters import show
from repro.experiments.single_parameters.settings import COLUMNS, PERCENTS, column
from tests.experiments.tables import keyed

SPREAD = dict(zip(PERCENTS, (0.3, 0.5, 0.8, 1, 1.5, 4, 10), strict=True))  # percentiles over the median


def spread(with_: float = 100.0, without: float = 2.0, seeds: int = 6, layers: tuple[int, ...] = (18, 54, 90)):
    """Networks the median ratio of whose entries is about that, and twice as large in the second half of the seeds."""
    parts = []
    for (kind, middle), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        factor = middle * (1 + (seed >= seeds / 2))
        rows = [(110, layer, 2048, 2304, seed, *(factor * size for size in SPREAD.values())) for layer in layers]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), kind, seed))
    return pd.concat(parts, ignore_index=True)


def test_summary_by_hand():
    summary = show.summarise(spread()).set_index(["recipe", "layer"])
    row = summary.loc[("batch", 54)]
    assert row["50 %"] == pytest.approx(150)
    assert row["5 %"] == pytest.approx(75)
    assert row["range of the 50 %"] == "100 to 200"
    assert row["entries without a ratio, most"] == 5
    lost = spread().assign(**{column(percent): np.nan for percent in PERCENTS})
    assert set(show.summarise(lost)["range of the 50 %"]) == {"-"}


def test_figure_has_bars_and_medians_where_they_belong():
    (axis,) = show.plot(spread()).axes
    heights = [tuple(path.vertices[:, 1]) for lines in axis.collections for path in lines.get_paths()]
    assert np.ravel(heights[:3]) == pytest.approx([45, 1500, 75, 600, 120, 225])
    assert len(heights) == 3 * 2 * 3
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["layer 18", "layer 54", "layer 90"]
    white = [line for line in axis.lines if line.get_color() == "white"]
    assert [line.get_ydata()[0] for line in white] == pytest.approx([150, 3] * 3)


def test_what_is_not_finite_is_counted():
    table = spread()
    table.loc[(table["seed"] == 0) & (table["layer"] == 18), column(50)] = np.inf
    (axis,) = show.plot(table).axes
    assert [text.get_text() for text in axis.texts] == ["2 networks and layers not finite"]


def test_recipes_of_other_depths_stand_at_their_layers():
    other = spread(layers=(4, 12)).assign(recipe="other").query("normalisation == 'none'")
    (axis,) = show.plot(pd.concat([spread(), other], ignore_index=True)).axes
    assert len(axis.get_xticks()) == 5
    assert len(show.plot(spread().query("normalisation == 'batch'")).legends[0].get_texts()) == 1
