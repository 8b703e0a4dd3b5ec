"""Distances of mini-batch gradients from their definitions: every mini-batch that can be drawn, one after another."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def mean_squared_distance(examples: Sequence[Vector], size: int, replacement: bool) -> float:
    """Mean of |g_B - g|^2 over all mini-batches of `size` examples, with g_B and g the means of their gradients."""
    full = sum(examples) / len(examples)
    drawn = itertools.product(examples, repeat=size) if replacement else itertools.combinations(examples, size)
    distances = [squared(sum(batch) / size - full) for batch in drawn]
    return math.fsum(distances) / len(distances)


def variance(examples: Sequence[Vector]) -> float:
    """C: mean of |g_i - g|^2."""
    full = sum(examples) / len(examples)
    return math.fsum(squared(example - full) for example in examples) / len(examples)


def squared(vector: Vector) -> float:
    return math.fsum(float(value) ** 2 for value in vector)
