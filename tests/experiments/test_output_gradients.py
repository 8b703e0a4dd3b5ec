import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repro.experiments import output_gradients
from repro.experiments.initialisation import subjects
from tests.experiments import initialisation

NAME = "output_gradients"


def predictions(with_: list[list[float]], without: list[list[float]], seeds: int = 3) -> pd.DataFrame:
    """A table from rows of probabilities, one per image; every label is 0."""
    rows = []
    for (normalisation, images), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        for (image, probabilities), j in itertools.product(enumerate(images), range(len(images[0]))):
            p = probabilities[j]
            rows.append((normalisation, seed, image, 0, j, p, (p - (j == 0)) / len(images)))
    return pd.DataFrame(rows, columns=list(output_gradients.COLUMNS))


def test_gradients_are_softmax_minus_one_hot_image_by_image(monkeypatch):
    initialisation.use_small_images(monkeypatch)
    configuration = initialisation.configuration(NAME)
    table = output_gradients.measure(configuration)
    assert len(table) == 2 * initialisation.SEEDS * 8 * 4
    indexed = table.set_index(["normalisation", "seed", "image", "class"])
    for subject in subjects(configuration, initialisation.SEEDS):
        with torch.no_grad():
            logits = subject.network(subject.images).double().tolist()
        for b, j in itertools.product(range(8), range(4)):
            exponentials = [math.exp(value - max(logits[b])) for value in logits[b]]
            probability = exponentials[j] / sum(exponentials)
            label = subject.labels[b].item()
            row = indexed.loc[(subject.normalisation, subject.seed, b, j)]
            assert row["label"] == label
            assert row["probability"] == pytest.approx(probability, rel=1e-9, abs=1e-12)
            assert row["gradient"] == pytest.approx((probability - (j == label)) / 8, rel=1e-4, abs=1e-7)


def test_favourite_class_by_hand():
    images = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]
    values = output_gradients.favourites(predictions(images, images, seeds=1)).set_index("normalisation")
    assert values.loc["none", "mean_probability"] == pytest.approx((0.9 + 0.2 + 0.6 + 0.1) / 4)
    assert values.loc["none", "share_of_images"] == pytest.approx(2 / 4)  # images 0 and 2


def test_claim_is_decided_both_ways():
    (claim,) = output_gradients.CLAIMS
    mixed, single = [[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.99, 0.01]]
    assert claim.decide(predictions(mixed, single)).outcome == "supported"
    assert claim.decide(predictions(single, single)).outcome == "not supported"
    assert claim.decide(predictions(mixed, mixed)).outcome == "not supported"
    assert claim.decide(predictions(mixed, [[np.nan, np.nan]] * 2)).outcome == "undecided"


def test_colours_reach_the_papers_ends_at_the_papers_batch():
    images = [[0.6, 0.4], [0.4, 0.6]] * 64
    figure = output_gradients.plot(predictions(images, images))
    left, middle = figure.axes[:2]
    assert left.get_title() == "without BN, seed 0"
    assert middle.get_title() == "with BN, seed 0"
    for axis in (left, middle):
        assert axis.collections[0].get_clim() == pytest.approx((-0.0075, 0.0075))


def test_whole_path(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    table = output_gradients.measure(initialisation.configuration(NAME))
    summary, verdicts = initialisation.judge_and_draw(output_gradients, table, tmp_path)
    assert summary["median"].between(0, 1).all()
    assert verdicts["outcome"].isin(["supported", "not supported"]).all()


def test_overflow_stays_in_the_table(monkeypatch, tmp_path):
    initialisation.use_small_images(monkeypatch)
    initialisation.overflow(monkeypatch, output_gradients)
    table = output_gradients.measure(initialisation.configuration(NAME))
    assert table.query("normalisation == 'none'")["probability"].isna().all()
    summary, verdicts = initialisation.judge_and_draw(output_gradients, table, tmp_path)
    assert summary.set_index("normalisation")["seeds that overflowed"].loc["none"].tolist() == [3] * 3
    assert (verdicts["outcome"] == "undecided").all()
