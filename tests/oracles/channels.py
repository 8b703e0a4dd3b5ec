"""Moments and conditioning of channels from their definitions: Python loops and high-precision arithmetic."""

import itertools
import math

import mpmath
import numpy as np
from numpy.typing import NDArray


def moments(output: NDArray[np.float64], channel: int) -> tuple[float, float]:
    """Mean and variance of one channel of (batch, channel, y, x), summed value by value."""
    values = [float(output[b, channel, y, x]) for b, y, x in positions(output)]
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def positions(output: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    batch, _, height, width = output.shape
    return list(itertools.product(range(batch), range(height), range(width)))


def matrices(output: NDArray[np.float64]) -> tuple[mpmath.matrix, mpmath.matrix]:
    """Second-moment and covariance matrices of the channels, in 50 digits."""
    with mpmath.workdps(50):
        channels = output.shape[1]
        vectors = [[mpmath.mpf(float(output[b, c, y, x])) for c in range(channels)] for b, y, x in positions(output)]
        means = [mpmath.fsum(vector[c] for vector in vectors) / len(vectors) for c in range(channels)]
        second, covariance = mpmath.zeros(channels), mpmath.zeros(channels)
        for c, d in itertools.product(range(channels), repeat=2):
            second[c, d] = mpmath.fsum(vector[c] * vector[d] for vector in vectors) / len(vectors)
            covariance[c, d] = mpmath.fsum((v[c] - means[c]) * (v[d] - means[d]) for v in vectors) / len(vectors)
        return second, covariance


def condition_and_rank(matrix: mpmath.matrix) -> tuple[float, float]:
    """Condition number and effective rank, from eigenvalues in 50 digits."""
    with mpmath.workdps(50):
        eigenvalues = list(mpmath.eigsy(matrix, eigvals_only=True))
        shares = [value / mpmath.fsum(eigenvalues) for value in eigenvalues]
        entropy = -mpmath.fsum(share * mpmath.log(share) for share in shares)
        return float(max(eigenvalues) / min(eigenvalues)), float(mpmath.exp(entropy))
