"""Local response normalisation (Krizhevsky, Sutskever and Hinton 2012, Section 3.3)."""

from torch import Tensor, nn
from torch.nn import functional

from repro.settings.recipe import Recipe

OFFSET, WIDTH, FACTOR, POWER = 2.0, 5, 1e-4, 0.75  # AlexNet's k, n, alpha and beta


class LocalResponseNormalisation(nn.Module):
    """y_c = x_c / (2 + 1e-4 sum_j x_j^2)^0.75, j from c - 2 to c + 2 as far as there are channels, at one pixel.

    AlexNet's equation and constants; PyTorch's layer divides alpha by n = 5. It has no mean, no parameters and no
    statistics: training and evaluation are the same. AlexNet has it after the activation.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()

    def forward(self, activations: Tensor) -> Tensor:
        """Activations (batch, channel, y, x) -> the same shape."""
        # A sum of slices: PyTorch's layer pools, and the gradient of that is not deterministic on CUDA (pytorch/pytorch
        # issue 110698).
        channels, reach = activations.shape[1], WIDTH // 2
        squares = functional.pad(activations.square(), (0, 0, 0, 0, reach, reach))
        total = sum((squares[:, shift : shift + channels] for shift in range(1, WIDTH)), start=squares[:, :channels])
        return activations / (OFFSET + FACTOR * total) ** POWER


LAYER = LocalResponseNormalisation
