"""Jacobians with depth: summary and figure."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.jacobian_spectra import show
from tests.experiments.jacobian_spectra.made import WITH, WITHOUT, flat
from tests.experiments.tables import show_and_judge


def pair(initialisation: str = "xavier_normal", suffix: str = "") -> pd.DataFrame:
    parts = []
    for seed in (0, 1):
        for normalisation, ranks, growth in (("batch", WITH, 0.1), ("none", WITHOUT, 0.5)):
            keys = {"normalisation": normalisation, "seed": seed, "recipe": normalisation + suffix}
            parts.append(flat(ranks, growth, initialisation, **keys))
    return pd.concat(parts, ignore_index=True)


def test_a_flat_spectrum_has_its_rank():
    table = pd.concat([flat({1: 20, 8: 4}, 0.1, normalisation="none", seed=seed) for seed in (0, 1)])
    networks = show.per_network(table)
    expected = networks["layer"].map({1: 20, 8: 4}).to_numpy()
    assert len(expected) == 4
    assert networks["effective_rank"].to_numpy() == pytest.approx(expected, rel=1e-6)
    assert networks["stable_rank"].to_numpy() == pytest.approx(expected)


def test_a_layer_whose_moments_overflow_is_kept():
    table = flat({1: 20, 8: 4}, 0.1).assign(log_std=np.nan)
    assert list(show.per_network(table)["layer"]) == [1, 8]


def test_the_paper_s_table_is_summarised_drawn_and_judged(tmp_path):
    table = pd.concat([pair(), pair("kaiming_normal", "-kaiming_normal")], ignore_index=True)
    summary, verdicts = show_and_judge("jacobian_spectra", table, tmp_path)
    assert list(summary["map ends at"]) == ["layer 7", "logits"] * 4
    assert list(summary["initialisation"].unique()) == ["Xavier", "He"]
    assert summary["effective rank"].to_numpy() == pytest.approx([80, 8, 10, 1] * 2)
    assert list(verdicts["verdict"]) == ["undecided"] * 4  # from two seeds
    figure = show.plot(table)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Xavier", "He", "with BN", "without BN", "Theorem 1, M factors"]
    assert [len(axis.lines) for axis in figure.axes] == [4, 4, 4, 4 + 3]
    # Colour by initialisation, line by normalisation, the first case on top.
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", "-", "--", "-"]
    assert len({line.get_color() for line in figure.axes[0].lines[:2]}) == 1


def test_many_recipes_at_two_moments_are_told_apart(tmp_path):
    deeper = {1: 90, 7: 50, 13: 20, 14: 3}
    recipes = (("batch", "batch", WITH), ("batch", "batch-batch16", WITH), ("none", "none-depth14", deeper))
    table = pd.concat(
        (
            flat(ranks, 0.1, scale=1 + after, normalisation=normalisation, recipe=recipe, after=after)
            for normalisation, recipe, ranks in recipes
            for after in (0.0, 0.5)
        ),
        ignore_index=True,
    )
    summary, verdicts = show_and_judge("jacobian_spectra", table, tmp_path)
    assert list(summary["recipe"]) == [recipe for _, recipe, _ in recipes for _ in range(4)]
    assert list(summary["after"]) == [0.0, 0.0, 0.5, 0.5] * 3
    assert list(summary["map ends at"]) == ["layer 7", "logits"] * 4 + ["layer 13", "logits"] * 2
    assert set(verdicts["verdict"]) == {"undecided"}
    figure = show.plot(table)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["batch, untrained", "batch, after 50 %"]
    assert legend[4:6] == ["Xavier, without BN, untrained", "Xavier, without BN, after 50 %"]
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 6
    assert figure.axes[3].get_ylabel().endswith("layer 7/13")


def test_one_recipe_is_shown(tmp_path):
    summary, verdicts = show_and_judge("jacobian_spectra", flat(WITHOUT, 0.1, normalisation="none"), tmp_path)
    assert len(summary) == 2
    assert set(verdicts["verdict"]) == {"undecided"}
