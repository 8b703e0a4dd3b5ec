"""Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450, Section 3), for convolutions."""

from torch import nn

from repro.settings.recipe import Recipe


class LayerNormalisation(nn.GroupNorm):
    """y = gamma_c (x - mu_b) / sqrt(sigma_b^2 + 1e-5) + beta_c, moments over channels and space of example b.

    The variant of Wu and He 2018, Section 3.1: all channels are one group, and gain and bias are those of a channel.
    Ba et al. give each unit its own, which ties a network to one size of images. Training and evaluation are the same.
    Activations (batch, channel, y, x) -> the same shape.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__(1, channels)


LAYER = LayerNormalisation
