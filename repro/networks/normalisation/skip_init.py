"""SkipInit (De and Smith 2020, arXiv 2002.10444, Section 4): not a normalisation, but a factor on each branch."""

import torch
from torch import Tensor, nn

from repro.networks.normalisation.none import NoNormalisation
from repro.settings.recipe import Recipe


class BranchFactor(nn.Module):
    """y = alpha x at the end of a residual branch, alpha one number that is trained, 1 / sqrt(d) at first.

    d is the number of branches. De and Smith ask for at most that; at their other choice, 0, the gradient of every
    kernel in a branch is zero at initialisation, and there would be nothing to measure.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(((recipe.depth - 2) / 2) ** -0.5))

    def forward(self, activations: Tensor) -> Tensor:
        """Activations (batch, channel, y, x) -> the same shape."""
        return self.factor * activations


LAYER = NoNormalisation
BRANCH = BranchFactor
