"""CIFAR residual networks whose layers are addressed by the numbers that the paper's figures use.

Layer 1 is the first convolution; block k = 0, 1, ... holds layers 2k+2 and 2k+3; the last number is the classifier.
The 1x1 convolutions of option-B shortcuts carry no number.
"""

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.config import Initialisation, Network, Normalisation

STAGE_CHANNELS = (16, 32, 64)


class PaddedSubsampling(nn.Module):
    """Shortcut A: every second pixel, new channels filled with zeros. (batch, c, y, x) -> (batch, 2c, y/2, x/2)."""

    def forward(self, activations: Tensor) -> Tensor:
        """Subsample and pad."""
        channels = activations.shape[1]
        return functional.pad(activations[:, :, ::2, ::2], (0, 0, 0, 0, channels // 2, channels // 2))


class BatchNorm2d(nn.BatchNorm2d):
    """PyTorch's, by its own kernels on every device.

    cuDNN's for channels_last stall beside other kernels (pytorch/pytorch issue 80259), and networks train side by side.
    """

    def forward(self, activations: Tensor) -> Tensor:
        """gamma (x - mean) / sqrt(variance + eps) + beta for x of shape (batch, channel, y, x); averages updated."""
        assert self.momentum is not None
        averages = (self.running_mean, self.running_var)
        normalised: Tensor = torch.native_batch_norm(
            activations, self.weight, self.bias, *averages, self.training, self.momentum, self.eps
        )[0]
        return normalised


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)) with F = convolution, normalisation, ReLU, convolution, normalisation."""

    def __init__(self, channels_in: int, channels_out: int, settings: Network, normalise: bool) -> None:
        super().__init__()
        stride = 1 if channels_in == channels_out else 2
        bias = settings.convolution_bias
        self.convolution1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=bias)
        self.normalisation1 = BatchNorm2d(channels_out) if normalise else nn.Identity()
        self.convolution2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=bias)
        self.normalisation2 = BatchNorm2d(channels_out) if normalise else nn.Identity()
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 and settings.shortcut == "A":
            self.shortcut = PaddedSubsampling()
        elif stride == 2:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=bias))
            if normalise:
                self.shortcut.append(BatchNorm2d(channels_out))

    def forward(self, activations: Tensor) -> Tensor:
        """(batch, channels_in, y, x) -> (batch, channels_out, y / stride, x / stride)."""
        residual = functional.relu(self.normalisation1(self.convolution1(activations)))
        residual = self.normalisation2(self.convolution2(residual))
        return functional.relu(residual + self.shortcut(activations))


class ResidualNetwork(nn.Module):
    """The CIFAR ResNet of He et al. 2016, Section 4.2, with batch normalisation everywhere, nowhere or once.

    Logits of `classes` from images float32 (batch, 3, y, x): a 3x3 convolution, three stages of (depth - 2) / 6
    blocks with 16, 32 and 64 channels, the mean over space, and a linear classifier. Normalisation `batch` follows
    every convolution; `none` removes it; `final` normalises only the output of the last residual block
    (Section 4 of the paper). The same `seed` gives the same weights whatever the normalisation and device.
    """

    def __init__(self, settings: Network, normalisation: Normalisation, classes: int, seed: int) -> None:
        super().__init__()
        match normalisation:
            case "batch":
                normalise, final = True, False
            case "none":
                normalise, final = False, False
            case "final":
                normalise, final = False, True
            case unknown:
                assert_never(unknown)
        self.depth = settings.depth
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolution1 = nn.Conv2d(3, STAGE_CHANNELS[0], 3, padding=1, bias=settings.convolution_bias)
            self.normalisation1 = BatchNorm2d(STAGE_CHANNELS[0]) if normalise else nn.Identity()
            self.blocks = nn.ModuleList()
            channels_in = STAGE_CHANNELS[0]
            for channels in STAGE_CHANNELS:
                for _ in range((settings.depth - 2) // 6):
                    self.blocks.append(ResidualBlock(channels_in, channels, settings, normalise))
                    channels_in = channels
            self.final_normalisation = BatchNorm2d(channels_in) if final else nn.Identity()
            self.classifier = nn.Linear(channels_in, classes)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    initialise_convolution(module, settings.initialisation)

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 (batch, 3, y, x) -> logits float32 (batch, classes)."""
        activations = functional.relu(self.normalisation1(self.convolution1(images)))
        for block in self.blocks:
            activations = block(activations)
        activations = self.final_normalisation(activations)
        return self.classifier(activations.mean(dim=(2, 3)))

    def layer(self, number: int) -> nn.Module:
        """The convolution, or the classifier, that the paper calls layer `number` (1 to `depth`).

        Raises `IndexError` for another number.
        """
        if not 1 <= number <= self.depth:
            raise IndexError(f"a network of depth {self.depth} has layers 1 to {self.depth}, not {number}")
        if number == 1:
            return self.convolution1
        if number == self.depth:
            return self.classifier
        return self.blocks[(number - 2) // 2].get_submodule("convolution1" if number % 2 == 0 else "convolution2")


def initialise_convolution(convolution: nn.Conv2d, initialisation: Initialisation) -> None:
    """Draw the weights from the global generator; a bias becomes zero, except with `pytorch_default`.

    `xavier_normal`: variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010). `kaiming_normal`: variance 2 / fan_in
    (He et al. 2015). `orthogonal`: orthonormal rows or columns of the (out, in * y * x) matrix (Saxe et al. 2014).
    `pytorch_default`: uniform with variance 1 / (3 fan_in).
    """
    if initialisation == "pytorch_default":
        convolution.reset_parameters()
        return
    if initialisation == "xavier_normal":
        nn.init.xavier_normal_(convolution.weight)
    elif initialisation == "kaiming_normal":
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    else:
        nn.init.orthogonal_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
