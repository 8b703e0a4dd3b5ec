"""Singular values of an explicit product in high-precision arithmetic, and a convolution as six loops."""

import functools

import mpmath
import numpy as np


def product_singular_values(factors, digits=400):
    with mpmath.workdps(digits):
        product = functools.reduce(lambda left, right: left * right, [mpmath.matrix(f.tolist()) for f in factors])
        return sorted(mpmath.svd_r(product, compute_uv=False), reverse=True)


def convolution(weights, image, stride, periodic):
    """(out, in, k, k) weights on an (in, n, n) image; padding (k - 1)/2."""
    out_channels, in_channels, width, _ = weights.shape
    size = image.shape[1]
    out_size = (size + stride - 1) // stride
    result = np.zeros((out_channels, out_size, out_size))
    for o in range(out_channels):
        for i in range(out_size):
            for j in range(out_size):
                for c in range(in_channels):
                    for a in range(width):
                        for b in range(width):
                            y, x = stride * i + a - width // 2, stride * j + b - width // 2
                            if periodic:
                                y, x = y % size, x % size
                            if 0 <= y < size and 0 <= x < size:
                                result[o, i, j] += weights[o, c, a, b] * image[c, y, x]
    return result


def convolution_matrix(weights, size, stride, periodic):
    in_channels = weights.shape[1]
    columns = []
    for index in range(in_channels * size**2):
        unit = np.zeros(in_channels * size**2)
        unit[index] = 1.0
        columns.append(convolution(weights, unit.reshape(in_channels, size, size), stride, periodic).ravel())
    return np.stack(columns, axis=1)
