"""Weight standardisation (Qiao et al. 2019, arXiv 1903.10520, Section 3), with group normalisation as they use it."""

import torch
from torch import Tensor, nn

from repro.networks.normalisation.group import GroupNormalisation

EPSILON = 1e-5


class StandardisedKernel(nn.Module):
    """K_o = (W_o - mu_o) / (sigma_o + 1e-5), mu_o and sigma_o^2 over the n = in * y * x weights of output channel o.

    sigma_o^2 = (1/n) sum (W - mu_o)^2. The output of such a kernel is about sqrt(n) times its input, so a
    normalisation has to follow: here that of groups.
    """

    def forward(self, weights: Tensor) -> Tensor:
        """Weights (out, in, y, x) -> the kernel that is applied, of the same shape."""
        variance, mean = torch.var_mean(weights, dim=(1, 2, 3), correction=0, keepdim=True)
        return (weights - mean) / (variance.sqrt() + EPSILON)


KERNEL = StandardisedKernel
LAYER = GroupNormalisation
