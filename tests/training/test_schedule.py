from fractions import Fraction

import pytest

from repro.settings.recipe import Recipe
from repro.training.schedule import epochs_after, learning_rate


def test_the_rate_drops_to_a_tenth_at_half_and_at_three_quarters_of_the_cycle():
    rates = [learning_rate(Recipe(learning_rate=0.1, epochs=165), epoch) for epoch in range(165)]
    # 82.5 and 123.75: the first whole epochs at or beyond.
    assert rates == pytest.approx([0.1] * 83 + [0.01] * 41 + [0.001] * 41)


@pytest.mark.parametrize("epochs", [1, 2, 7, 10, 100, 2400])
@pytest.mark.parametrize("drops", [[0.5, 0.75], [0.07, 0.29, 0.57, 1.0], []])
def test_rate_agrees_with_exact_fractions(epochs, drops):
    recipe = Recipe(learning_rate=0.1, epochs=epochs, drops=drops)
    exact = [Fraction(round(100 * drop), 100) for drop in drops]
    for epoch in range(epochs):
        passed = sum(epoch >= max(drop * epochs, 1) for drop in exact)
        assert learning_rate(recipe, epoch) == pytest.approx(0.1 / 10**passed)


@pytest.mark.parametrize(
    ("share", "epochs", "expected"),
    [(0, 100, 0), (1, 100, 100), (0.5, 165, 83), (0.07, 100, 7), (0.29, 100, 29), (0.02, 165, 4), (0.02, 8, 1)],
)
def test_a_share_of_the_cycle_has_passed_after_whole_epochs(share, epochs, expected):
    assert epochs_after(Recipe(epochs=epochs), share) == expected


def test_the_smallest_share_is_not_the_untrained_network():
    assert epochs_after(Recipe(epochs=10), 1e-12) == 1
