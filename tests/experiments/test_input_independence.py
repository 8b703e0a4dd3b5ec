import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from repro import probes
from repro.experiments import input_independence
from repro.experiments.initialisation import subjects
from tests.experiments import initialisation
from tests.oracles import gradients as oracle

NAME = "input_independence"


def sizes(with_: list[float], without: list[float], seeds: int = 3, depth: int = 110) -> pd.DataFrame:
    """A table whose ratios at the paper's layers are the given ones, times 0.9, 1 and 1.1 for the seeds."""
    rows = []
    for (normalisation, ratios), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        for layer, ratio in zip(input_independence.PAPER_LAYERS, ratios, strict=True):
            scaled = ratio * (0.9 + 0.1 * seed)
            rows.append((normalisation, seed, depth, layer, 1000, 1e-5 * scaled, 1e-5, scaled))
    return pd.DataFrame(rows, columns=list(input_independence.COLUMNS))


@pytest.mark.parametrize(
    ("size", "stride", "padding", "height", "width"),
    [(3, 1, 1, 5, 4), (3, 2, 1, 6, 6), (3, 2, 1, 5, 7), (1, 2, 0, 6, 5), (3, 1, 0, 5, 5)],
)
def test_sums_agree_with_explicit_loops(size, stride, padding, height, width):
    generator = torch.Generator().manual_seed(size + stride)
    convolution = nn.Conv2d(2, 3, size, stride, padding, bias=False)
    inputs = torch.randn(2, 2, height, width, generator=generator)
    output = convolution(inputs).detach()
    record = probes.LayerRecord(inputs, output, torch.randn(*output.shape, generator=generator))
    expected = oracle.summand_sizes(
        inputs.double().numpy(), record.output_gradient.double().numpy(), (3, 2, size, size), stride, padding
    )
    found = input_independence.summand_sizes(convolution, record)
    assert found[0] == expected[0] == output.shape[0] * output.shape[2] * output.shape[3]
    assert found[1:] == pytest.approx(expected[1:], rel=1e-12)


def test_a_network_agrees_with_loops_and_autograd_also_where_a_stage_begins(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    layers = {6: 2, 7: 1}  # and their strides
    configuration = initialisation.configuration(NAME, batch_size=2, seeds=1, layers=list(layers))
    table = input_independence.measure(configuration).set_index(["normalisation", "layer"])
    for subject in subjects(configuration, 1):
        network = subject.network.double()
        _, records = probes.capture_gradients(network, subject.images.double(), subject.labels, layers)
        loss = nn.functional.cross_entropy(network(subject.images.double()), subject.labels)
        for layer, stride in layers.items():
            # a from loops over a few of the kernel's entries, compared with the same entries of the fast sum
            inputs, gradient = records[layer].input, records[layer].output_gradient
            sums = probes.kernel_gradient(network.layer(layer), inputs.abs(), gradient.abs())
            for entry in ((0, 0, 0, 0), (5, 3, 1, 2), (63, 31, 2, 2)):
                d = oracle.summands(inputs.numpy(), gradient.numpy(), entry, stride, padding=1)
                assert len(d) == 2 * 4 * 4
                assert sums[entry].item() == pytest.approx(sum(abs(value) for value in d), rel=1e-12)
            # b from autograd; the table comes from single precision
            (expected,) = torch.autograd.grad(loss, network.layer(layer).weight, retain_graph=True)
            row = table.loc[(subject.normalisation, layer)]
            assert row["summands"] == 2 * 4 * 4
            assert row["a"] == pytest.approx(sums.mean().item() / 32, rel=1e-3)
            assert row["b"] == pytest.approx(expected.abs().mean().item() / 32, rel=1e-3)
            assert row["ratio"] == row["a"] / row["b"] > 1


def test_summands_of_one_sign_have_ratio_one_and_cancelling_ones_an_infinite_one():
    convolution = nn.Conv2d(1, 1, 1, bias=False)
    inputs, ones = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert input_independence.summand_sizes(convolution, probes.LayerRecord(inputs, ones, 3 * ones)) == (4, 3.0, 3.0)
    signs = torch.tensor([[[[1.0, -1.0], [-1.0, 1.0]]]])
    assert input_independence.summand_sizes(convolution, probes.LayerRecord(inputs, ones, signs)) == (4, 1.0, 0.0)


def test_default_layers_stand_where_the_papers_do(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    table = input_independence.measure(initialisation.configuration(NAME, depth=14, seeds=1))
    # the paper's layers are first convolutions in the ninth of a stage's 18 blocks; here a stage has two blocks
    assert table["layer"].unique().tolist() == [2, 6, 10]


def test_summary_has_medians_quartiles_and_recalled_values_for_the_papers_depth_alone():
    table = sizes([250.0, 110.0, 40.0], [2.0, 2.5, 3.0])
    summary = input_independence.summarise(table).set_index(["normalisation", "layer", "quantity"])
    row = summary.loc[("batch", 18, "a/b")]
    assert row[["median", "lower quartile", "upper quartile"]].tolist() == pytest.approx([250, 237.5, 262.5])
    assert row.iloc[-1] == 251.8
    assert "recalled" in summary.columns[-1]
    assert input_independence.summarise(table.assign(depth=200)).iloc[:, -1].isna().all()


def test_claims_are_decided_both_ways():
    def outcomes(table: pd.DataFrame) -> list[str]:
        return [claim.decide(table).outcome for claim in input_independence.CLAIMS]

    assert outcomes(sizes([250.0, 110.0, 40.0], [2.0, 2.5, 3.0])) == ["supported", "supported"]
    assert outcomes(sizes([250.0, 110.0, 4.0], [2.0, 2.5, 30.0])) == ["not supported", "not supported"]
    assert outcomes(sizes([250.0, 110.0, 40.0], [2.0, 2.5, 3.0], depth=200))[0] == "undecided"
    assert outcomes(sizes([np.nan] * 3, [np.nan] * 3)) == ["undecided", "undecided"]


def test_typeset_table_says_that_published_values_are_recalled():
    figure = input_independence.plot(sizes([250.0, 110.0, 40.0], [2.0, 2.5, 3.0]))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("published (recalled)") == 3
    assert {"250.0", "251.8", "2.0", "1.7"} <= set(texts)
    elsewhere = input_independence.plot(sizes([250.0, 110.0, 40.0], [2.0, 2.5, 3.0], depth=200))
    assert not any("published" in text.get_text() for text in elsewhere.axes[0].texts)


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = input_independence.measure(initialisation.configuration(NAME))
    _, verdicts = initialisation.judge_and_draw(input_independence, table, tmp_path)
    assert verdicts["outcome"].tolist()[0] == "undecided"  # published values are for ResNet-110
    assert verdicts["outcome"].tolist()[1] in ("supported", "not supported")


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, input_independence)
    table = input_independence.measure(initialisation.configuration(NAME))
    finite = np.isfinite(table["ratio"]).groupby(table["normalisation"]).any()
    assert finite.to_dict() == {"batch": True, "none": False}
    _, verdicts = initialisation.judge_and_draw(input_independence, table, tmp_path)
    assert verdicts["outcome"].tolist() == ["undecided", "undecided"]
