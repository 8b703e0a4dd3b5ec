"""The CIFAR ResNet written once more as a plain function of its weights, with sums spelled out; no shared code.

Slow and obvious: a convolution is a loop over kernel positions, batch normalisation its formula, the shortcuts their
sentences in He et al. 2016. Everything in float64 NumPy.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def convolution(images: Array, kernel: Array, stride: int) -> Array:
    """Zero padding that keeps the size at stride 1."""
    batch, _, height, width = images.shape
    out, _, size, _ = kernel.shape
    edge = size // 2
    padded = np.zeros((batch, images.shape[1], height + 2 * edge, width + 2 * edge))
    padded[:, :, edge : edge + height, edge : edge + width] = images
    rows, columns = -(-height // stride), -(-width // stride)
    result = np.zeros((batch, out, rows, columns))
    for y in range(rows):
        for x in range(columns):
            patch = padded[:, :, stride * y : stride * y + size, stride * x : stride * x + size]
            for o in range(out):
                result[:, o, y, x] = (patch * kernel[o]).sum(axis=(1, 2, 3))
    return result


def batch_normalisation(activations: Array) -> Array:
    """Over batch and space, with PyTorch's default epsilon and untrained scale 1 and shift 0."""
    mean = activations.mean(axis=(0, 2, 3), keepdims=True)
    variance = ((activations - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    return (activations - mean) / np.sqrt(variance + 1e-5)


def shortcut_a(activations: Array, channels: int) -> Array:
    """Every second row and column; the new channels are zero, half of them before and half behind."""
    batch, old, height, width = activations.shape
    result = np.zeros((batch, channels, -(-height // 2), -(-width // 2)))
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            for c in range(old):
                result[:, c + (channels - old) // 2, y // 2, x // 2] = activations[:, c, y, x]
    return result


ACTIVATIONS = {
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "sigmoid": lambda x: np.exp(x) / (1 + np.exp(x)),
}


def logits(
    weights: Mapping[str, Array],
    images: Array,
    depth: int,
    normalisation: str,
    shortcut: str,
    place: str = "everywhere",
    activation: str = "relu",
    kept: Mapping[int, Array] | None = None,
) -> tuple[Array, dict[int, Array]]:
    """Logits and the raw outputs of all layers by number.

    `kept`: by block, what dropout multiplies its second convolution's input with.
    """
    outputs: dict[int, Array] = {}
    f = ACTIVATIONS[activation]

    def normalise(x: Array, where: str) -> Array:
        return batch_normalisation(x) if normalisation == "batch" and place == where else x

    def convolve(number: int, x: Array, name: str, stride: int = 1) -> Array:
        outputs[number] = convolution(x, weights[f"{name}.weight"], stride)
        return normalise(outputs[number], "everywhere")

    x = normalise(f(convolve(1, images, "convolution1")), "after_activation")
    for block in range((depth - 2) // 2):
        first = block > 0 and block % ((depth - 2) // 6) == 0  # of stages 2 and 3
        name = f"blocks.{block}"
        residual = f(convolve(2 * block + 2, x, f"{name}.convolution1", 2 if first else 1))
        residual = normalise(residual, "after_activation")
        if kept is not None:
            residual = residual * kept[block]
        residual = convolve(2 * block + 3, residual, f"{name}.convolution2")
        if first and shortcut == "A":
            x = shortcut_a(x, residual.shape[1])
        elif first and shortcut == "B":
            x = normalise(convolution(x, weights[f"{name}.shortcut.0.weight"], 2), "everywhere")
        x = normalise(f(residual if shortcut == "none" else residual + x), "after_activation")
    x = normalise(x, "final")
    outputs[depth] = x.mean(axis=(2, 3)) @ weights["classifier.weight"].T + weights["classifier.bias"]
    return outputs[depth], outputs
