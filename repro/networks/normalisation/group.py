"""Group normalisation (Wu and He 2018, arXiv 1803.08494, Section 3)."""

from torch import nn

from repro.settings.recipe import Recipe


class GroupNormalisation(nn.GroupNorm):
    """y = gamma_c (x - mu_bg) / sqrt(sigma_bg^2 + 1e-5) + beta_c, moments over the channels of group g and space.

    Each example b has its own moments, the same in training and in evaluation; groups are neighbouring channels, as
    many in every layer as the recipe's `groups`. Activations (batch, channel, y, x) -> the same shape.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__(recipe.groups, channels)


LAYER = GroupNormalisation
