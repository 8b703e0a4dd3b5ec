import itertools

import numpy as np
import pandas as pd
import pytest

from repro.experiments.activation_growth import show
from repro.experiments.activation_growth.settings import COLUMNS
from repro.settings.experiment import NETWORK_COLUMNS
from tests.experiments.tables import keyed


def grown(slope: float, depth: int = 110, seeds: int = 3, channels: int = 4) -> pd.DataFrame:
    """Channels whose ln std is `slope` x layer / depth without BN, and 0 with BN; the means are a tenth of that."""
    parts = []
    for normalisation, seed in itertools.product(("batch", "none"), range(seeds)):
        rows = []
        for layer, channel in itertools.product(range(1, depth + 1), range(channels)):
            deviation = np.exp(slope * layer / depth) if normalisation == "none" else 1.0
            rows.append((layer, channel, (-1) ** channel * deviation / 10, deviation**2))
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def several() -> pd.DataFrame:
    """Three recipes, one of them shallower, untrained and after half the training."""
    table = grown(slope=4.0, seeds=2)
    without = table[table["normalisation"] == "none"]
    shallow = without[without["layer"] <= 56].assign(recipe="none-depth56")
    table = pd.concat([table, shallow], ignore_index=True)
    return pd.concat([table, table.assign(after=0.5)], ignore_index=True)


def points(figure) -> int:
    """How many sets of published values a figure has, apart from the legend's."""
    return sum(len(line.get_xdata()) > 0 for axis in figure.axes for line in axis.lines if line.get_marker() == "o")


def test_summary_shows_the_papers_layers_beside_the_published_values():
    summary = show.summarise(grown(slope=4.0))
    chosen = summary.query("recipe == 'none' and after == 0 and moment == 'standard deviation'").set_index("layer")
    assert chosen.index.tolist() == [6, 18, 30, 42, 54, 66, 78, 90, 102, 110]
    assert chosen.loc[66, "ln, mean over seeds"] == pytest.approx(4 * 66 / 110)
    assert chosen.loc[66, "ln, std over seeds"] == pytest.approx(0, abs=1e-12)
    assert chosen.loc[66, "ln, published"] == 0.9


def test_summary_of_another_depth_has_its_own_layers_and_no_published_values():
    table = grown(slope=4.0)
    table = table[table["layer"] <= 56]
    summary = show.summarise(table)
    assert summary["layer"].max() == 56
    assert len(summary) == 4 * len(set(summary["layer"]))
    assert summary["ln, published"].isna().all()
    assert summary["ln, mean over seeds"].notna().all()
    assert points(show.plot(table)) == 0


def test_one_channel_that_overflowed_is_not_left_out_of_its_layer():
    table = grown(slope=4.0)
    first = (table["layer"] == 5) & (table["channel"] == 0) & (table["seed"] == 0) & (table["normalisation"] == "none")
    assert first.sum() == 1
    values = show.log_moments(table.assign(variance=table["variance"].mask(first)))
    lost = values[~np.isfinite(values["value"])]
    keys = [*NETWORK_COLUMNS, "layer", "moment"]
    assert lost[keys].to_numpy().tolist() == [["none", "none", 0.0, 0, 5, "standard deviation"]]
    # A channel that is always zero has no logarithm and is left out.
    values = show.log_moments(table.assign(variance=table["variance"].mask(first, 0.0)))
    assert np.isfinite(values["value"]).all()


def test_figure_has_the_published_values_of_both_networks():
    figure = show.plot(grown(slope=4.0))
    assert [axis.get_title() for axis in figure.axes] == ["channel means", "channel standard deviations"]
    assert points(figure) == 4
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["with BN", "without BN", "published (read off)"]


def test_three_recipes_at_two_moments():
    table = several()
    summary = show.summarise(table)
    assert summary[["recipe", "after"]].drop_duplicates().to_numpy().tolist() == [
        [recipe, after] for after in (0.0, 0.5) for recipe in ("batch", "none", "none-depth56")
    ]
    published = summary[summary["ln, published"].notna()]
    assert set(published["recipe"]) == {"batch", "none"}
    assert set(published["after"]) == {0.0}
    figure = show.plot(table)
    assert points(figure) == 4
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["with BN, untrained", "none, untrained"]
    assert "none-depth56, after 50 %" in labels


def test_a_single_recipe():
    table = grown(slope=4.0)
    table = table[table["normalisation"] == "batch"]
    assert len(show.summarise(table)) == 20
    assert points(show.plot(table)) == 2
