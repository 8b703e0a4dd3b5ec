import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from repro import probes
from repro.config import Network
from repro.experiments import activation_growth
from repro.experiments.initialisation import Subject
from repro.networks import ResidualNetwork
from tests.experiments import initialisation
from tests.oracles import channels as oracle


def grown(slope: float, depth: int = 110, seeds: int = 3, channels: int = 4) -> pd.DataFrame:
    """Channels whose ln std is `slope` x layer / depth without BN, and 0 with BN; the means are a tenth of that."""
    rows = []
    for normalisation, seed, layer, channel in itertools.product(
        ("batch", "none"), range(seeds), range(1, depth + 1), range(channels)
    ):
        deviation = np.exp(slope * layer / depth) if normalisation == "none" else 1.0
        rows.append((normalisation, seed, layer, channel, (-1) ** channel * deviation / 10, deviation**2))
    return pd.DataFrame(rows, columns=list(activation_growth.COLUMNS))


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 3)])
def test_moments_agree_with_loops(shape):
    output = 5 + 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    means, variances = probes.channel_moments(output)
    images = output.double().numpy().reshape(*shape, *([1] * (4 - len(shape))))
    for channel in range(shape[1]):
        mean, variance = oracle.moments(images, channel)
        assert means[channel].item() == pytest.approx(mean, rel=1e-13)
        assert variances[channel].item() == pytest.approx(variance, rel=1e-12)


def test_moments_of_a_network_made_by_hand(monkeypatch):
    # Kernels that copy their input: every block doubles its input, which is nowhere negative, and the moments follow.
    network = ResidualNetwork(Network(depth=8), "none", 3, seed=0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
    nn.init.eye_(network.classifier.weight)
    nn.init.zeros_(network.classifier.bias)
    levels = torch.tensor([[1.0, 4.0, 0.0], [3.0, 4.0, 8.0]])  # (image, channel), the same at every pixel
    images = levels[:, :, None, None].expand(2, 3, 8, 8)
    subject = Subject("none", 0, network, images, torch.zeros(2, dtype=torch.int64))
    monkeypatch.setattr(activation_growth, "subjects", lambda configuration, seeds: [subject])
    table = activation_growth.measure(initialisation.configuration("activation_growth"))
    for row in table.itertuples():
        factor = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8}[row.layer]
        mean, variance = [(2, 1), (4, 0), (4, 16)][row.channel] if row.channel < 3 else (0, 0)
        assert row.mean == pytest.approx(factor * mean)
        assert row.variance == pytest.approx(factor**2 * variance)
    assert table.groupby("layer").size().tolist() == [16, 16, 16, 32, 32, 64, 64, 3]
    values = activation_growth.log_moments(table).set_index(["layer", "moment"])["value"]
    # channels that are zero, or constant, have no logarithm: means 2, 4, 4 and deviations 1, 4 times the factor remain
    assert values[6, "mean"] == pytest.approx(np.log(4) + np.log(32) / 3)
    assert values[6, "standard deviation"] == pytest.approx(np.log(4) + np.log(4) / 2)


def test_summary_shows_the_papers_layers_beside_the_published_values():
    summary = activation_growth.summarise(grown(slope=4.0))
    chosen = summary.query("normalisation == 'none' and moment == 'standard deviation'").set_index("layer")
    assert chosen.index.tolist() == [6, 18, 30, 42, 54, 66, 78, 90, 102, 110]
    assert chosen.loc[66, "ln, mean over seeds"] == pytest.approx(4 * 66 / 110)
    assert chosen.loc[66, "ln, std over seeds"] == pytest.approx(0, abs=1e-12)
    assert chosen.loc[66, "ln, published"] == 0.9


def test_claim_is_decided_both_ways():
    (claim,) = activation_growth.CLAIMS
    assert claim.decide(grown(slope=4.0)).outcome == "supported"
    assert claim.decide(grown(slope=0.5)).outcome == "not supported"


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = activation_growth.measure(initialisation.configuration("activation_growth"))
    _, verdicts = initialisation.judge_and_draw(activation_growth, table, tmp_path)
    assert verdicts["outcome"].isin(["supported", "not supported"]).all()


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, activation_growth)
    table = activation_growth.measure(initialisation.configuration("activation_growth"))
    lost = ~np.isfinite(table["variance"])
    assert set(table.loc[lost, "normalisation"]) == {"none"}
    assert (table.loc[lost, "layer"] > 1).all()
    _, verdicts = initialisation.judge_and_draw(activation_growth, table, tmp_path)
    assert verdicts["outcome"].tolist() == ["undecided"]


def test_one_channel_that_overflowed_is_not_left_out_of_its_layer():
    table = grown(slope=4.0)
    first = (table["layer"] == 5) & (table["channel"] == 0) & (table["seed"] == 0) & (table["normalisation"] == "none")
    assert first.sum() == 1
    values = activation_growth.log_moments(table.assign(variance=table["variance"].mask(first)))
    lost = values[~np.isfinite(values["value"])]
    assert lost[["normalisation", "seed", "layer", "moment"]].to_numpy().tolist() == [
        ["none", 0, 5, "standard deviation"]
    ]
    # A channel that is always zero has no logarithm and is left out.
    values = activation_growth.log_moments(table.assign(variance=table["variance"].mask(first, 0.0)))
    assert np.isfinite(values["value"]).all()


def test_summary_of_another_depth_has_its_own_layers_and_no_published_values():
    table = grown(slope=4.0)
    table = table[table["layer"] <= 56]
    summary = activation_growth.summarise(table)
    assert summary["layer"].max() == 56
    assert len(summary) == 4 * len(set(summary["layer"]))
    assert summary["ln, published"].isna().all()
    assert summary["ln, mean over seeds"].notna().all()
