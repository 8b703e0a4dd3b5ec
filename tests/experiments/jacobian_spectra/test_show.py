"""Jacobians with depth: summary, figure, and verdicts both ways."""

import numpy as np
import pandas as pd
import pytest

from repro.experiments.jacobian_spectra import show
from repro.experiments.jacobian_spectra.settings import COLUMNS
from tests.experiments.tables import keyed, show_and_judge


def flat(
    ranks: dict[int, int], growth: float, initialisation: str = "xavier_normal", scale: float = 1.0, **keys
) -> pd.DataFrame:
    """A table of flat spectra of one network: `ranks` values alike and the others zero, scaled with the layer."""
    rows = []
    depth = max(ranks)
    for layer, rank in ranks.items():
        dimension = 10 if layer == depth else 100
        size = scale * 10 ** (growth * layer)
        for probe in (0, 1):
            for value, weight in ((size, rank / dimension), (0.0, 1 - rank / dimension)):
                rows.append((initialisation, layer, 0.0, dimension, probe, value, weight, 0.0))
    return keyed(pd.DataFrame(rows, columns=list(COLUMNS)), **keys)


WITHOUT = {1: 90, 3: 40, 7: 10, 8: 1}
WITH = {1: 90, 3: 80, 7: 80, 8: 8}


def pair(initialisation: str = "xavier_normal", suffix: str = "") -> pd.DataFrame:
    parts = []
    for seed in (0, 1):
        for normalisation, ranks, growth in (("batch", WITH, 0.1), ("none", WITHOUT, 0.5)):
            keys = {"normalisation": normalisation, "seed": seed, "recipe": normalisation + suffix}
            parts.append(flat(ranks, growth, initialisation, **keys))
    return pd.concat(parts, ignore_index=True)


def outcomes(table: pd.DataFrame) -> list[str]:
    return [claim.decide(table).outcome for claim in show.CLAIMS]


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


@pytest.mark.parametrize("better", [True, False])
def test_claims_are_judged_both_ways(better):
    few, many = (1, 8) if better else (8, 1)
    falling = {1: 90, 3: 40, 7: 10 * few, 8: few} if better else {1: 10, 3: 40, 7: 10 * few, 8: few}
    growth = {"none": 0.5, "batch": 0.1} if better else {"none": 0.1, "batch": 0.5}
    table = pd.concat(
        flat(ranks, growth[normalisation], normalisation=normalisation, seed=seed)
        for seed in (0, 1)
        for normalisation, ranks in (("batch", {1: 90, 3: 80, 7: 10 * many, 8: many}), ("none", falling))
    )
    assert outcomes(table) == ["supported" if better else "not supported"] * 4


def test_claims_are_about_the_untrained_pair_of_the_first_initialisation():
    other = pair("pytorch_default", "-pytorch_default")
    worse = other.assign(singular_value=0.0, weight=0.5)
    assert outcomes(pd.concat([pair(), worse])) == ["supported"] * 4
    trained = pair().assign(after=1.0, singular_value=1.0)
    assert outcomes(pd.concat([pair(), trained])) == ["supported"] * 4


def test_claims_need_one_pair_of_networks_of_one_depth():
    def undecided(table):
        with pytest.raises(show.Undecided):
            show.CLAIMS[0].decide(table)

    undecided(flat(WITH, 0.1))
    undecided(pair().assign(after=1.0))
    deeper = flat({**WITHOUT, 13: 1, 14: 1}, 0.5, normalisation="none")
    undecided(pd.concat([flat(WITH, 0.1), deeper]))


def test_the_paper_s_table_is_summarised_drawn_and_judged(tmp_path):
    table = pd.concat([pair(), pair("kaiming_normal", "-kaiming_normal")], ignore_index=True)
    summary, verdicts = show_and_judge("jacobian_spectra", table, tmp_path)
    assert list(summary["map ends at"]) == ["layer 7", "logits"] * 4
    assert list(summary["initialisation"].unique()) == ["Xavier", "He"]
    assert summary["effective rank"].to_numpy() == pytest.approx([80, 8, 10, 1] * 2)
    assert list(verdicts["outcome"]) == ["supported"] * 4
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
    assert set(verdicts["outcome"]) == {"undecided"}
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
    assert set(verdicts["outcome"]) == {"undecided"}
