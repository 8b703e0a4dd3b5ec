import itertools

import pandas as pd
import pytest

from repro.experiments.output_gradients import show
from repro.experiments.output_gradients.settings import COLUMNS
from tests.experiments.tables import keyed

MIXED, SINGLE = [[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.99, 0.01]]


def predictions(with_: list[list[float]], without: list[list[float]], seeds: int = 3) -> pd.DataFrame:
    """A table from rows of probabilities, one per image; every label is 0."""
    parts = []
    for (normalisation, images), seed in itertools.product((("batch", with_), ("none", without)), range(seeds)):
        rows = [
            (image, 0, j, p, (p - (j == 0)) / len(images))
            for image, probabilities in enumerate(images)
            for j, p in enumerate(probabilities)
        ]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), normalisation, seed))
    return pd.concat(parts, ignore_index=True)


def test_favourite_class_by_hand():
    images = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]
    values = show.favourites(predictions(images, images, seeds=1)).set_index("normalisation")
    assert values.loc["none", "mean_probability"] == pytest.approx((0.9 + 0.2 + 0.6 + 0.1) / 4)
    assert values.loc["none", "share_of_images"] == pytest.approx(2 / 4)  # images 0 and 2


def test_colours_reach_the_papers_ends_at_the_papers_batch():
    images = [[0.6, 0.4], [0.4, 0.6]] * 64
    figure = show.plot(predictions(images, images))
    left, middle = figure.axes[:2]
    assert left.get_title() == "with BN, seed 0"
    assert middle.get_title() == "without BN, seed 0"
    for axis in (left, middle):
        assert axis.collections[0].get_clim() == pytest.approx((-0.0075, 0.0075))


def test_the_seed_nearest_the_median_is_shown():
    parts = [
        predictions([[p, 1 - p]] * 2, [[p, 1 - p]] * 2, seeds=1).assign(seed=seed)
        for seed, p in enumerate((0.9, 0.7, 0.6))
    ]
    figure = show.plot(pd.concat(parts, ignore_index=True))
    assert [axis.get_title() for axis in figure.axes[:3]] == ["with BN, seed 1", "without BN, seed 1", "3 seeds"]


def test_three_recipes_at_two_moments_with_mini_batches_of_two_sizes():
    pair = predictions(MIXED, SINGLE, seeds=2)
    large = predictions(MIXED, SINGLE * 4, seeds=2).query("normalisation == 'none'").assign(recipe="none-batch8")
    three = pd.concat([pair, large], ignore_index=True)
    table = pd.concat([three, three.assign(after=0.5)], ignore_index=True)
    figure = show.plot(table)
    maps = [axis for axis in figure.axes if "seed" in axis.get_title() and "seeds" not in axis.get_title()]
    assert [axis.get_title() for axis in maps][:3] == [
        "with BN, untrained,\nseed 0",
        "none, untrained,\nseed 0",
        "none-batch8, untrained,\nseed 0",
    ]
    assert len(maps) == 6
    (bar,) = (axis for axis in figure.axes if axis.get_label() == "<colorbar>")
    assert [label.get_text() for label in bar.get_yticklabels()] == ["−0.96 / images", "0", "0.96 / images"]
    assert len(show.summarise(table)) == 6 * len(show.QUANTITIES)


@pytest.mark.parametrize("chosen", ["batch", "none"])
def test_a_single_recipe(chosen):
    table = predictions(MIXED, SINGLE).query("normalisation == @chosen")
    assert len(show.plot(table).axes) == 3  # heat map, all seeds, colour bar
    assert show.summarise(table)["recipe"].unique().tolist() == [chosen]
