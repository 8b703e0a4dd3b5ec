import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from repro.experiments import gradient_histogram
from repro.experiments.initialisation import subjects
from tests.experiments import initialisation

NAME = "gradient_histogram"


def gradients(with_: list[np.ndarray], without: list[np.ndarray], depth: int = 110, layer: int = 55) -> pd.DataFrame:
    """A table from one array of gradients per seed, with and without BN."""
    parts = []
    for normalisation, arrays in (("batch", with_), ("none", without)):
        for seed, values in enumerate(arrays):
            part = pd.DataFrame({"gradient": values.astype(np.float32), "output_channel": np.arange(len(values))})
            parts.append(part.assign(normalisation=normalisation, seed=seed))
    table = pd.concat(parts, ignore_index=True).assign(depth=depth, layer=layer, input_channel=0, y=0, x=0)
    return table[list(gradient_histogram.COLUMNS)]


def normal(seeds: int, scale: float, count: int = 4000) -> list[np.ndarray]:
    return [scale * np.random.default_rng(seed).standard_normal(count) for seed in range(seeds)]


def test_every_weights_gradient_is_autograds(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    configuration = initialisation.configuration(NAME, layer=4)  # stride 2, 32 x 16 channels
    table = gradient_histogram.measure(configuration)
    assert len(table) == 2 * initialisation.SEEDS * 32 * 16 * 9
    assert (table["layer"] == 4).all()
    for subject in subjects(configuration, initialisation.SEEDS):
        functional.cross_entropy(subject.network(subject.images), subject.labels).backward()
        expected = subject.network.layer(4).weight.grad
        rows = table.query("normalisation == @subject.normalisation and seed == @subject.seed")
        found = torch.full_like(expected, torch.nan)
        places = tuple(
            torch.tensor(rows[name].to_numpy(np.int64)) for name in ("output_channel", "input_channel", "y", "x")
        )
        found[places] = torch.tensor(rows["gradient"].to_numpy())
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


def test_default_layer_stands_where_the_papers_does(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    table = gradient_histogram.measure(initialisation.configuration(NAME, depth=14, seeds=1))
    # layer 55 is the second convolution in the middle of the second stage, layers 6 to 9 at depth 14
    assert table["layer"].unique().tolist() == [7]
    assert table["depth"].unique().tolist() == [14]


def test_summary_agrees_with_numpy_and_shows_published_values_for_the_papers_layer_alone():
    with_, without = normal(3, 0.012), normal(3, 2.0)
    summary = gradient_histogram.summarise(gradients(with_, without)).set_index(["normalisation", "quantity"])
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
    elsewhere = gradient_histogram.summarise(gradients(with_, without, depth=20, layer=13))
    assert elsewhere.iloc[:, -1].isna().all()


def test_panel_without_normalisation_is_clipped_and_says_how_much_it_holds():
    values = pd.Series(np.linspace(-10, 10, 2001))
    assert gradient_histogram.panel_range(values, "batch", True) == (-10, 10)
    assert gradient_histogram.panel_range(values, "none", True) == (-4, 4.3)
    assert gradient_histogram.panel_range(values, "none", False) == pytest.approx((-9, 9))
    figure = gradient_histogram.plot(gradients([values.to_numpy()], [values.to_numpy()]))
    with_, without = ("\n".join(text.get_text() for text in axis.texts) for axis in figure.axes)
    assert "in this panel" not in with_
    assert "41.5 % of them in this panel" in without  # 831 of the 2001 values lie within -4 to 4.3
    assert without.count("published") == 1


def test_claims_are_decided_both_ways():
    def outcomes(with_: list[np.ndarray], without: list[np.ndarray]) -> list[str]:
        return [claim.decide(gradients(with_, without)).outcome for claim in gradient_histogram.CLAIMS]

    heavy = [scale * values for scale, values in zip((0.3, 1.0, 9.0), normal(3, 1.0), strict=True)]
    assert outcomes(normal(3, 0.01), heavy) == ["supported", "supported"]
    assert outcomes(normal(3, 0.01), normal(3, 1.0)) == ["supported", "not supported"]
    assert outcomes(normal(3, 0.01), normal(3, 0.05)) == ["not supported", "not supported"]
    nothing = [np.full(10, np.nan)] * 3
    assert outcomes(normal(3, 0.01), nothing) == ["undecided", "undecided"]


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = gradient_histogram.measure(initialisation.configuration(NAME))
    _, verdicts = initialisation.judge_and_draw(gradient_histogram, table, tmp_path)
    assert verdicts["outcome"].isin(["supported", "not supported"]).all()


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, gradient_histogram)
    table = gradient_histogram.measure(initialisation.configuration(NAME))
    finite = np.isfinite(table["gradient"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    summary, verdicts = initialisation.judge_and_draw(gradient_histogram, table, tmp_path)
    lost = summary.set_index(["normalisation", "quantity"])["measured"].xs(
        "share of weights whose gradient is not finite", level="quantity"
    )
    assert lost["batch"] == 0
    assert lost["none"] == 1
    assert (verdicts["outcome"] == "undecided").all()
