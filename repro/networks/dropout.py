"""Dropout whose masks follow from (seed, epoch, step, layer) alone, the same on every device."""

import torch
from torch import Tensor, nn

RANGE = 2**32  # of the hash's values


def mix(values: Tensor) -> Tensor:
    """A hash of whole numbers 0 .. 2^32 - 1 to the same range, int64; a bijection without visible pattern.

    Wellons' two-round hash: x ^= x >> 16; x *= 0x21f0aaad; x ^= x >> 15; x *= 0x735a2d97; x ^= x >> 15, modulo 2^32.
    Both factors are below 2^31, so that no product overflows int64.
    """
    values = values ^ (values >> 16)
    values = (values * 0x21F0AAAD) & (RANGE - 1)
    values = values ^ (values >> 15)
    values = (values * 0x735A2D97) & (RANGE - 1)
    return values ^ (values >> 15)


def key(seed: int, epoch: Tensor, step: Tensor) -> Tensor:
    """What distinguishes the masks of one training step, int64 scalar: tensor operations alone, so that it is captured
    in a graph; `epoch` and `step` int64 scalars.
    """
    start = mix(torch.full_like(epoch, seed & (RANGE - 1)))
    return mix((mix((start + epoch) & (RANGE - 1)) + step) & (RANGE - 1))


def use_masks(network: nn.Module, seed: int, epoch: int, step: int) -> None:
    """From now on every dropout layer of `network` has the masks of this training step."""
    chosen = key(seed, torch.tensor(epoch), torch.tensor(step))
    for module in network.modules():
        if isinstance(module, Dropout):
            module.key = chosen


class Dropout(nn.Module):
    """y = x m / (1 - p) with m = 0 for a share p of the activations and 1 for the others; y = x in evaluation mode.

    Which ones follows from `key`, set before every training step, the layer's `number` and the activation's place
    (batch, channel, y, x). Srivastava et al. 2014, scaled in training.
    """

    key: Tensor

    def __init__(self, share: float, number: int) -> None:
        super().__init__()
        self.share = share
        self.number = number
        self.key = torch.zeros((), dtype=torch.int64)

    def forward(self, activations: Tensor) -> Tensor:
        """Activations of any shape -> the same shape."""
        if not self.training:
            return activations
        place = torch.arange(activations.numel(), device=activations.device)
        layer = mix((self.key.to(activations.device) + self.number * 0x9E3779B9) & (RANGE - 1))
        kept = mix(place ^ layer) >= round(self.share * RANGE)
        return activations * kept.reshape(activations.shape) / (1 - self.share)
