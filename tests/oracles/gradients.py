"""Kernel gradients and Table 1's sums as their definitions say: a loop per index, Python floats, d formed by itself."""

import itertools

import numpy as np
from numpy.typing import NDArray


def summands(
    inputs: NDArray[np.float64],  # (batch, channel in, y, x)
    output_gradient: NDArray[np.float64],  # (batch, channel out, y, x)
    entry: tuple[int, int, int, int],  # out, in, row and column of the kernel
    stride: int,
    padding: int,
) -> list[float]:
    """d of every image and output position for one kernel entry; 0 where the kernel hangs over the edge."""
    o, i, row, column = entry
    batch, _, height, width = inputs.shape
    found = []
    for b, y, x in itertools.product(range(batch), *map(range, output_gradient.shape[2:])):
        source_y, source_x = stride * y + row - padding, stride * x + column - padding
        inside = 0 <= source_y < height and 0 <= source_x < width
        value = float(inputs[b, i, source_y, source_x]) if inside else 0.0
        found.append(float(output_gradient[b, o, y, x]) * value)
    return found


def kernel_gradient(
    inputs: NDArray[np.float64],
    output_gradient: NDArray[np.float64],
    shape: tuple[int, ...],
    stride: int,
    padding: int,
) -> NDArray[np.float64]:
    """Sum of the summands of each kernel entry."""
    gradient = np.zeros(shape)
    for entry in itertools.product(*map(range, shape)):
        gradient[entry] = sum(summands(inputs, output_gradient, entry, stride, padding))
    return gradient


def summand_sizes(
    inputs: NDArray[np.float64],
    output_gradient: NDArray[np.float64],
    shape: tuple[int, ...],
    stride: int,
    padding: int,
) -> tuple[int, float, float]:
    """n, a and b of Table 1."""
    absolute, signed = [], []
    for entry in itertools.product(*map(range, shape)):
        d = summands(inputs, output_gradient, entry, stride, padding)
        absolute.append(sum(abs(value) for value in d) / len(d))
        signed.append(abs(sum(d) / len(d)))
    return len(d), sum(absolute) / len(absolute), sum(signed) / len(signed)
