"""Convolutions as linear maps: summary and figure."""

import pandas as pd

from repro.experiments.layer_operators import show
from repro.experiments.layer_operators.settings import COLUMNS
from tests.experiments.tables import keyed, show_and_judge


def network(initialisation: str = "xavier_normal", norm: float = 2.0, **keys) -> pd.DataFrame:
    """Five convolutions of three shapes."""
    rows = [
        (initialisation, 1, 3, 16, 32, 1, 3072, norm, norm / 10, 10.0, 2700.0, 5.0),
        (initialisation, 2, 16, 16, 32, 1, 16384, norm, norm / 1e4, 1e4, 9800.0, 30.0),
        (initialisation, 3, 16, 16, 32, 1, 16384, norm, norm / 1e5, 1e5, 9800.0, 30.0),
        (initialisation, 4, 16, 32, 32, 2, 8192, norm, norm / 10, 10.0, 5000.0, 10.0),
        (initialisation, 5, 32, 32, 16, 1, 8192, norm, float("nan"), float("nan"), 4800.0, 8.0),
    ]
    return keyed(pd.DataFrame(rows, columns=list(COLUMNS)), **{"normalisation": "none", **keys})


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_initialisations_are_summarised_and_drawn(tmp_path):
    recipes = {"none": ("xavier_normal", 2.0), "none-kaiming_normal": ("kaiming_normal", 2.8)}
    table = pd.concat(
        (
            network(initialisation, norm + seed, recipe=recipe, seed=seed)
            for seed in (0, 1, 2)
            for recipe, (initialisation, norm) in recipes.items()
        ),
        ignore_index=True,
    )
    summary, verdicts = show_and_judge("layer_operators", table, tmp_path)
    assert verdicts.empty
    assert list(summary["initialisation"]) == ["Xavier"] * 4 + ["He"] * 4
    assert list(summary["layers"]) == [1, 2, 1, 1] * 2
    assert list(summary["norm"]) == ["3 (2 to 4)"] * 4 + ["3.8 (2.8 to 4.8)"] * 4
    assert summary["convolution"].iloc[2] == "16 to 32 channels, 32 x 32, stride 2"
    figure = show.plot(table)
    assert labels(figure) == ["Xavier", "He"]
    norms = figure.axes[0]
    assert list(norms.lines[0].get_ydata()) == [3.0] * 5
    assert norms.get_ylim()[0] == 0
    assert norms.get_ylim()[1] > 3.9


def test_many_recipes_at_two_moments_are_told_apart(tmp_path):
    recipes = (("none", "none"), ("batch", "batch"), ("batch", "batch-batch16"))
    table = pd.concat(
        (
            network(normalisation=normalisation, recipe=recipe, after=after)
            for normalisation, recipe in recipes
            for after in (0.0, 1.0)
        ),
        ignore_index=True,
    )
    summary, _ = show_and_judge("layer_operators", table, tmp_path)
    assert list(summary["recipe"].unique()) == ["none", "batch", "batch-batch16"]
    assert list(summary["after"]) == ([0.0] * 4 + [1.0] * 4) * 3
    figure = show.plot(table)
    assert labels(figure)[:3] == ["Xavier, without BN, untrained", "Xavier, without BN, trained", "batch, untrained"]
    assert len({(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}) == 6


def test_one_recipe_is_shown(tmp_path):
    summary, _ = show_and_judge("layer_operators", network(), tmp_path)
    assert len(summary) == 4
