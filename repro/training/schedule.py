"""Where in its training cycle a network is: the learning rate of an epoch, and the epoch of a share."""

import math

from repro.settings.recipe import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """rate / 10^n in 0-based `epoch`, after n drops; the paper drops it at 50 % and 75 % of the cycle. Section 3."""
    drops = sum(epoch >= epochs_after(recipe, share) for share in recipe.drops)
    return float(recipe.learning_rate * 0.1**drops)


def epochs_after(recipe: Recipe, share: float) -> int:
    """ceil(share * epochs): the epochs completed when a share of the cycle, 0 to 1, has passed."""
    epochs = math.ceil(round(share * recipe.epochs, 9))  # 0.07 * 100 is a little above 7
    return max(epochs, 1) if share else 0  # the smallest share is not the untrained network
