"""Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016, arXiv 1607.08022, Equation 7)."""

from torch import nn

from repro.settings.recipe import Recipe


class InstanceNormalisation(nn.GroupNorm):
    """y = gamma_c (x - mu_bc) / sqrt(sigma_bc^2 + 1e-5) + beta_c, moments over space of channel c of example b.

    With gain and bias, like the other kinds; training and evaluation are the same. Computed as groups of one channel:
    on CUDA PyTorch's own instance normalisation is cuDNN's batch normalisation, see `batch.py`.
    Activations (batch, channel, y, x) -> the same shape.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__(channels, channels)


LAYER = InstanceNormalisation
