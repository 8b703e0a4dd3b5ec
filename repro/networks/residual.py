"""CIFAR residual networks whose layers are addressed by the numbers that the paper's figures use.

Layer 1 is the first convolution; block k = 0, 1, ... holds layers 2k+2 and 2k+3; the last number is the classifier.
The 1x1 convolutions of option-B shortcuts carry no number.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.networks import activation, initialisation, normalisation
from repro.networks.dropout import Dropout, use_masks
from repro.settings.recipe import Recipe
from repro.settings.types import STAGE_CHANNELS


class PaddedSubsampling(nn.Module):
    """Shortcut A: every second pixel, new channels filled with zeros. (batch, c, y, x) -> (batch, 2c, y/2, x/2)."""

    def forward(self, activations: Tensor) -> Tensor:
        """Subsample and pad."""
        channels = activations.shape[1]
        return functional.pad(activations[:, :, ::2, ::2], (0, 0, 0, 0, channels // 2, channels // 2))


class ResidualBlock(nn.Module):
    """f(F(x) + shortcut(x)) with F = convolution, normalisation, f, dropout, convolution, normalisation.

    f is the activation. With normalisation after the activation: n(f(F(x) + shortcut(x))) with F = convolution, f,
    normalisation, dropout, convolution. `number` counts the blocks. In a plain network nothing is added to F(x).
    """

    def __init__(self, channels_in: int, channels_out: int, recipe: Recipe, number: int) -> None:
        super().__init__()
        stride = 1 if channels_in == channels_out else 2

        def normalise(kind: Callable[[Recipe, int], nn.Module] = normalisation.layer_of) -> nn.Module:
            return nn.Identity() if recipe.place == "final" else kind(recipe, channels_out)

        self.normalise_last = recipe.place == "after_activation"
        self.activate = activation.function(recipe.activation)
        # Without a bias: found by trial.
        self.convolution1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.normalisation1 = normalise()
        self.convolution2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.normalisation2 = normalise(normalisation.branch_of)
        self.shortcut: nn.Module = nn.Identity()
        self.plain = recipe.shortcut == "none"
        if stride == 2 and recipe.shortcut == "A":
            self.shortcut = PaddedSubsampling()
        elif stride == 2 and recipe.shortcut == "B":
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False))
            if not self.normalise_last:
                self.shortcut.append(normalise())
        self.dropout = Dropout(recipe.dropout, number) if recipe.dropout else nn.Identity()

    def forward(self, activations: Tensor) -> Tensor:
        """(batch, channels_in, y, x) -> (batch, channels_out, y / stride, x / stride)."""
        if self.normalise_last:
            residual = self.normalisation1(self.activate(self.convolution1(activations)))
            residual = self.convolution2(self.dropout(residual))
            normalised: Tensor = self.normalisation2(self.activate(self._added(residual, activations)))
            return normalised
        residual = self.activate(self.normalisation1(self.convolution1(activations)))
        residual = self.normalisation2(self.convolution2(self.dropout(residual)))
        return self.activate(self._added(residual, activations))

    def _added(self, residual: Tensor, activations: Tensor) -> Tensor:
        return residual if self.plain else residual + self.shortcut(activations)


class ResidualNetwork(nn.Module):
    """The CIFAR ResNet of He et al. 2016, Section 4.2, with the normalisation, activation and so on of a recipe.

    Logits of `classes` from images float32 (batch, 3, y, x): a 3x3 convolution, three stages of (depth - 2) / 6
    blocks with 16, 32 and 64 channels, the mean over space, and a linear classifier. Place `everywhere` normalises
    after every convolution, `after_activation` after every activation, `final` only the output of the last residual
    block (Section 4 of the paper). The same `seed` gives the same weights whatever the normalisation and device;
    where the normalisation is one of kernels, a convolution's `weight` is the kernel that it applies.
    """

    def __init__(self, recipe: Recipe, classes: int, seed: int) -> None:
        super().__init__()
        self.depth = recipe.depth
        self.activate = activation.function(recipe.activation)
        self.normalise_last = recipe.place == "after_activation"
        final = recipe.place == "final"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolution1 = nn.Conv2d(3, STAGE_CHANNELS[0], 3, padding=1, bias=False)
            channels = STAGE_CHANNELS[0]
            self.normalisation1 = nn.Identity() if final else normalisation.layer_of(recipe, channels)
            self.blocks = nn.ModuleList()
            channels_in = STAGE_CHANNELS[0]
            for channels in STAGE_CHANNELS:
                for _ in range((recipe.depth - 2) // 6):
                    self.blocks.append(ResidualBlock(channels_in, channels, recipe, len(self.blocks)))
                    channels_in = channels
            self.final_normalisation = normalisation.layer_of(recipe, channels_in) if final else nn.Identity()
            self.classifier = nn.Linear(channels_in, classes)
            for module in list(self.modules()):  # normalising a kernel adds others
                if isinstance(module, nn.Conv2d):
                    initialisation.initialise(recipe.initialisation, module, recipe.gain)
                    normalisation.normalise_kernel(recipe, module)
        use_masks(self, seed, epoch=0, step=0)

    def stem(self, images: Tensor) -> Tensor:
        """What layer 1 hands on to the first block: (batch, 3, y, x) -> (batch, 16, y, x)."""
        if self.normalise_last:
            normalised: Tensor = self.normalisation1(self.activate(self.convolution1(images)))
            return normalised
        return self.activate(self.normalisation1(self.convolution1(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 (batch, 3, y, x) -> logits float32 (batch, classes)."""
        activations = self.stem(images)
        for block in self.blocks:
            activations = block(activations)
        activations = self.final_normalisation(activations)
        # In the classifier's own precision, whatever the activations': logits rounded to 8 bits mislead the loss.
        pooled = activations.mean(dim=(2, 3), dtype=self.classifier.weight.dtype)
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.classifier(pooled)
        return logits

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
