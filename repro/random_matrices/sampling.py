"""Gaussian factors from a seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repro.random_matrices.checks import whole_number

Array = NDArray[np.float64]


def gaussian_factors(
    widths: Sequence[int], *, scales: ArrayLike = 1.0, seed: int | np.random.SeedSequence | np.random.Generator
) -> list[Array]:
    """Entries N(0, s_i^2 / N_i): the Gaussian factors X_1, ..., X_M of a linear network of widths N_0 -> ... -> N_M.

    The layer from N_(i-1) to N_i is an (N_i, N_(i-1)) matrix of independent entries.  The layer applied first is the
    last factor: the product X_1 X_2 ... X_M has shape (N_M, N_0).

    Args:
        widths: N_0, ..., N_M, at least two; `[1000] * 4` gives the three square factors of Figure 9.
        scales: s_1, ..., s_M, in the order of the widths, or one number for all.
        seed: seed, seed sequence or generator; the same integer gives the same factors.

    Returns:
        The float64 arrays X_1, ..., X_M in the order in which they are multiplied.

    Raises:
        ValueError: for fewer than two widths, a width below 1 or a scale that is not finite and positive.

    Source: for equal widths the ensemble of Theorem 1; for others that of Akemann, Ipsen and Kieburg, Phys. Rev. E 88
    (2013) 052118, arXiv 1307.7560 (there complex), who give the laws of its singular values at finite N and in the
    limit.
    """
    layers = len(widths) - 1
    if layers < 1:
        raise ValueError(f"widths must name at least two widths N_0 and N_1, got {list(widths)}.")
    sizes = [whole_number("every width", width) for width in widths]
    scale_of = np.broadcast_to(np.asarray(scales, dtype=float), (layers,))
    if not np.all(np.isfinite(scale_of) & (scale_of > 0)):
        raise ValueError(f"every scale must be finite and positive, got {scale_of}.")
    generator = np.random.default_rng(seed)
    layer_matrices = [
        generator.standard_normal((after, before)) * (scale / np.sqrt(after))
        for before, after, scale in zip(sizes[:-1], sizes[1:], scale_of, strict=True)
    ]
    return layer_matrices[::-1]
