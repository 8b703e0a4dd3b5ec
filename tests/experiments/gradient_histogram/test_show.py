import numpy as np
import pandas as pd
import pytest

from repro.experiments.gradient_histogram import show
from repro.experiments.gradient_histogram.settings import COLUMNS
from tests.experiments.tables import keyed


def gradients(with_: list[np.ndarray], without: list[np.ndarray], depth: int = 110, layer: int = 55) -> pd.DataFrame:
    """A table from one array of gradients per seed, with and without BN."""
    parts = []
    for normalisation, arrays in (("batch", with_), ("none", without)):
        for seed, values in enumerate(arrays):
            part = pd.DataFrame({"gradient": values.astype(np.float32), "output_channel": np.arange(len(values))})
            part = part.assign(depth=depth, layer=layer, input_channel=0, y=0, x=0)
            parts.append(keyed(part[list(COLUMNS)], normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def normal(seeds: int, scale: float, count: int = 4000) -> list[np.ndarray]:
    return [scale * np.random.default_rng(seed).standard_normal(count) for seed in range(seeds)]


def test_summary_agrees_with_numpy_and_shows_published_values_for_the_papers_layer_alone():
    with_, without = normal(3, 0.012), normal(3, 2.0)
    table = gradients(with_, without)
    summary = show.summarise(table).set_index(["recipe", "quantity"])
    measured, published = summary["measured"], summary.iloc[:, -1]
    pooled = np.concatenate(without).astype(np.float32).astype(float)
    inside = pooled[(pooled >= -4) & (pooled <= 4.3)]
    assert measured["none", "standard deviation"] == pytest.approx(pooled.std(ddof=1))
    assert measured["none", "standard deviation within -4 to 4.3"] == pytest.approx(inside.std(ddof=1))
    assert measured["none", "5 %"] == pytest.approx(np.quantile(pooled, 0.05))
    widths = sorted(values.std(ddof=1) for values in with_)
    assert measured["batch", "standard deviation of one seed, median"] == pytest.approx(widths[1], rel=1e-6)
    assert measured["batch", "standard deviation of one seed, max"] == pytest.approx(widths[2], rel=1e-6)
    assert abs(measured["none", "excess kurtosis, pooled"]) < 0.3
    assert published["batch", "standard deviation"] == 0.012
    assert published["none", "95 %"] == 1.4
    for elsewhere in (gradients(with_, without, depth=20, layer=13), table.assign(after=0.5)):
        assert show.summarise(elsewhere).iloc[:, -1].isna().all()


def test_panel_without_normalisation_is_clipped_and_says_how_much_it_holds():
    values = pd.Series(np.linspace(-10, 10, 2001))
    assert show.panel_range(values, "batch", True) == (-10, 10)
    assert show.panel_range(values, "none", True) == (-4, 4.3)
    assert show.panel_range(values, "none", False) == pytest.approx((-9, 9))
    assert show.panel_range(values, "batch-final", False) == pytest.approx((-9, 9))
    figure = show.plot(gradients([values.to_numpy()], [values.to_numpy()]))
    with_, without = ("\n".join(text.get_text() for text in axis.texts) for axis in figure.axes)
    assert "in this panel" not in with_
    assert "41.5 % of them in this panel" in without  # 831 of the 2001 values lie within -4 to 4.3
    assert without.count("published") == 1


def test_three_recipes_at_two_moments():
    pair = gradients(normal(2, 0.01), [3 * values**3 for values in normal(2, 1.0)])
    shallow = pair[pair["normalisation"] == "none"].assign(recipe="none-depth20", depth=20, layer=13)
    three = pd.concat([pair, shallow], ignore_index=True)
    table = pd.concat([three, three.assign(after=0.5)], ignore_index=True)
    figure = show.plot(table)
    titles = {axis.get_title(): axis for axis in figure.axes}
    assert len(titles) == 6
    assert titles["none-depth20, after 50 %"].get_xlabel().endswith("layer 13")
    published = {title for title, axis in titles.items() if any("published" in text.get_text() for text in axis.texts)}
    assert published == {"with BN, untrained", "none, untrained"}


@pytest.mark.parametrize("chosen", ["batch", "none"])
def test_a_single_recipe(chosen):
    table = gradients(normal(2, 0.01), normal(2, 1.0)).query("normalisation == @chosen")
    assert len(show.plot(table).axes) == 1
    assert show.summarise(table)["recipe"].unique().tolist() == [chosen]
