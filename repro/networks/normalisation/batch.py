"""Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167, Algorithms 1 and 2)."""

import torch
from torch import Tensor, nn

from repro.settings.recipe import Recipe


class BatchNormalisation(nn.BatchNorm2d):
    """y = gamma (x - mu_c) / sqrt(sigma_c^2 + 1e-5) + beta, mu_c and sigma_c^2 over batch and space of channel c.

    In evaluation mode running averages take the place of the mini-batch's moments; each step moves them by the recipe's
    `averaging_momentum` of the way. PyTorch's layer by PyTorch's own kernels on every device: cuDNN's for channels_last
    stall beside other kernels (pytorch/pytorch issue 80259), and networks train side by side.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__(channels, momentum=recipe.averaging_momentum)

    def forward(self, activations: Tensor) -> Tensor:
        """Activations (batch, channel, y, x) -> the same shape; running averages are updated in training mode."""
        assert self.momentum is not None
        averages = (self.running_mean, self.running_var)
        normalised: Tensor = torch.native_batch_norm(
            activations, self.weight, self.bias, *averages, self.training, self.momentum, self.eps
        )[0]
        return normalised


LAYER = BatchNormalisation
