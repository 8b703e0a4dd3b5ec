"""Batch Renormalization (Ioffe 2017, arXiv 1702.03275, Algorithm 1)."""

import torch
from torch import Tensor, nn

from repro.settings.recipe import Recipe

EPSILON = 1e-5
R_MAX, D_MAX = 3.0, 5.0  # once open; Section 4
# Multiples of the recipe's `renormalisation_start` at which they are: Ioffe opens them from 5,000 updates on, to 40,000
# and to 25,000.
R_OPEN, D_OPEN = 8, 5


class BatchRenormalisation(nn.Module):
    """y = gamma ((x - mu_B) / sigma_B r + d) + beta with r = sigma_B / sigma and d = (mu_B - mu) / sigma, both clipped.

    mu_B and sigma_B = sqrt(variance + 1e-5) are those of the mini-batch, over batch and space of each channel; mu and
    sigma are running averages of these, which each step then moves by the recipe's `averaging_momentum` of the way
    (Ioffe's was 0.01). r lies within 1 / r_max and r_max, d within -d_max and d_max (`limits`); both are constants to
    the gradient. Not clipped, y is gamma (x - mu) / sigma + beta, which is what evaluation mode computes. With r = 1
    and d = 0 it is batch normalisation.
    """

    running_mean: Tensor
    running_deviation: Tensor
    updates: Tensor

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.momentum = recipe.averaging_momentum
        self.start = recipe.renormalisation_start
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_deviation", torch.ones(channels))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def limits(self) -> tuple[Tensor, Tensor]:
        """r_max and d_max after `updates`, scalars: 1 and 0 up to `start`, then linear up to 3 and 5."""
        late = (self.updates - self.start).to(self.running_mean.dtype) / self.start
        opened_r, opened_d = (late / (end - 1) for end in (R_OPEN, D_OPEN))
        return 1 + (R_MAX - 1) * opened_r.clamp(0, 1), D_MAX * opened_d.clamp(0, 1)

    def forward(self, activations: Tensor) -> Tensor:
        """Activations (batch, channel, y, x) -> the same shape; running averages are updated in training mode."""
        if not self.training:
            averages = (self.running_mean, self.running_deviation.square())
            return _batch_norm(activations, self.weight, self.bias, averages, 0.0)
        with torch.no_grad():
            precise = activations.to(self.running_mean.dtype)
            variance, mean = torch.var_mean(precise, dim=(0, 2, 3), correction=0)
            deviation = (variance + EPSILON).sqrt()
            r_max, d_max = self.limits()
            r = torch.clamp(deviation / self.running_deviation, 1 / r_max, r_max)
            d = torch.clamp((mean - self.running_mean) / self.running_deviation, -d_max, d_max)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_deviation.lerp_(deviation, self.momentum)
            self.updates.add_(1)
        # Batch normalisation with another gain and bias: its kernels, and its very numbers where r = 1 and d = 0.
        return _batch_norm(activations, self.weight * r, self.weight * d + self.bias, None, EPSILON)


def _batch_norm(
    activations: Tensor, gain: Tensor, bias: Tensor, averages: tuple[Tensor, Tensor] | None, epsilon: float
) -> Tensor:
    """By the averages, or by the mini-batch's own moments; PyTorch's kernels, see `batch.py`."""
    mean, variance = averages or (None, None)
    normalised: Tensor = torch.native_batch_norm(
        activations, gain, bias, mean, variance, averages is None, 0.0, epsilon
    )[0]
    return normalised


LAYER = BatchRenormalisation
