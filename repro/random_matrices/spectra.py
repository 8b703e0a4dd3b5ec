"""Singular values of a product of matrices without forming it.

Forming X_1 ... X_M in floating point leaves an absolute error of about rounding x sigma_max: every singular value below
it is noise.  Here the product is kept as Q D C with Q orthonormal, D diagonal and C well conditioned:

    X_M = Q D C                         QR with column pivoting, D = |diag R|, C = D^-1 R P^T
    X_k (Q D) C = Q' R P^T C            the same of X_k Q D;  D' = |diag R|,  C' = D'^-1 R P^T C

All grading sits in D, so each step costs rounding x condition(C) condition(X_k), whatever the condition of the product.
One-sided Jacobi, preconditioned by QR (LAPACK dgejsv), then finds every singular value of D C with a relative error of
about rounding x condition(C).  Repeating the decomposition for each factor is the "stratification" of long products.

Sources: Stewart, SIAM J. Matrix Anal. Appl. 16 (1995) 1297 (graded QR of products); Bai, Lee, Li and Xu, Linear Algebra
Appl. 435 (2011) 659 (stratification); Demmel, Gu, Eisenstat, Slapnicar, Veselic and Drmac, Linear Algebra Appl. 299
(1999) 21 (singular values from rank-revealing decompositions); Drmac and Veselic, SIAM J. Matrix Anal. Appl. 29 (2008)
1322 and 1343 (dgejsv).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr
from scipy.linalg.lapack import dgejsv

from repro.random_matrices.sampling import gaussian_factors

Array = NDArray[np.float64]

_LARGEST_EXPONENT = 480  # the diagonal is kept within 2^-480 .. 2^480, so that squares and sums of it stay in range


class GradedProduct(NamedTuple):
    """A product as Q diag(2^exponent d) C, the orthonormal Q left out: the singular values do not depend on it.

    diagonal: (rank,) positive; rows: (rank, N_0), the well-conditioned C; exponent: the power of two taken out.
    """

    diagonal: Array
    rows: Array
    exponent: int


def graded_product(factors: Iterable[ArrayLike]) -> GradedProduct:
    """Decompose X_1 X_2 ... X_M = Q diag(2^exponent d) C with C well conditioned, without forming the product.

    Args:
        factors: X_1, ..., X_M, two-dimensional, neighbouring shapes matching, finite, real.

    Returns:
        The decomposition; the relative error of the singular values is of the order of the rounding unit times
        `numpy.linalg.cond(rows)` times the largest condition of a factor.

    Raises:
        ValueError: for no factor, shapes that do not match, entries that are not finite, or singular values that span
            more than the range of double precision (about 10^289).
    """
    *_, product = _suffixes(_checked(factors))
    return product


def _suffixes(matrices: list[Array]) -> Iterator[GradedProduct]:
    """Decompositions of X_M, X_(M-1) X_M, ..., X_1 ... X_M."""
    width = matrices[-1].shape[1]
    basis = np.eye(width)
    diagonal, rows, exponent = np.ones(width), np.eye(width), 0
    for matrix in reversed(matrices):
        magnitude = int(np.frexp(np.abs(matrix).max())[1])
        exponent += magnitude
        scaled = (np.ldexp(matrix, -magnitude) @ basis) * diagonal
        basis, triangle, order = qr(scaled, mode="economic", pivoting=True, check_finite=False)
        diagonal = np.abs(np.diag(triangle))
        rank = int(np.count_nonzero(diagonal))  # exact zeros only; pivoting puts them last
        basis, triangle, diagonal = basis[:, :rank], triangle[:rank], diagonal[:rank]
        rows = (triangle / diagonal[:, None]) @ rows[order]  # (rank, width)
        if rank:
            shift = int(np.frexp(diagonal[0])[1]) - _LARGEST_EXPONENT
            diagonal = np.ldexp(diagonal, -shift)
            exponent += shift
            if diagonal[-1] < 2.0**-_LARGEST_EXPONENT:
                raise ValueError(
                    "the singular values of the product span more than the range of double precision (about 10^289): "
                    "use fewer factors."
                )
        yield GradedProduct(diagonal, rows, exponent)


def product_singular_values(factors: Iterable[ArrayLike]) -> Array:
    """Singular values of X_1 X_2 ... X_M, each with high relative accuracy, without forming the product.

    Args:
        factors: X_1, ..., X_M, two-dimensional, neighbouring shapes matching, finite, real.  One factor is allowed.

    Returns:
        (min(rows of X_1, columns of X_M),) float64, descending; exact zeros beyond the rank that the widths allow.

    Raises:
        ValueError: as `graded_product`.
    """
    matrices = _checked(factors)
    return suffix_singular_values(matrices, [len(matrices)])[len(matrices)]


def suffix_singular_values(factors: Iterable[ArrayLike], depths: Collection[int]) -> dict[int, Array]:
    """Singular values of the products of the last d factors, X_(M-d+1) ... X_M, for every d in depths; one pass over
    them.

    Args, accuracy and errors: as `product_singular_values`; also ValueError for a depth outside 1..M.
    """
    matrices = _checked(factors)
    if not depths or not all(1 <= depth <= len(matrices) for depth in depths):
        raise ValueError(f"depths must lie between 1 and the number of factors, {len(matrices)}, got {list(depths)}.")
    spectra = {}
    for depth, product in enumerate(_suffixes(matrices), start=1):
        if depth in depths:
            values = np.zeros(min(matrices[-depth].shape[0], matrices[-1].shape[1]))
            if len(product.diagonal):
                values[: len(product.diagonal)] = _jacobi_singular_values(product)
            spectra[depth] = values
    return spectra


def product_condition(singular_values: ArrayLike) -> float:
    """sigma_max / sigma_min of singular values in any order; infinite when the smallest is zero."""
    values = np.asarray(singular_values, dtype=float)
    if values.size == 0 or not np.all(values >= 0):
        raise ValueError("the condition number needs at least one singular value, all of them numbers of at least 0.")
    smallest, largest = values.min(), values.max()
    return float(largest / smallest) if smallest > 0 else float("inf")


def gaussian_product_spectra(
    size: int, factors: int, draws: int, *, scale: float = 1.0, seed: int, workers: int = 1
) -> Array:
    """Singular values of independent products of Gaussian N x N matrices, entries of variance s^2/N (Figure 9).

    Draw d depends on the seed and on d alone, not on `draws` or `workers`.

    Args:
        size: N.
        factors: M.
        draws: number of independent products.
        scale: s.
        seed: seed of all draws.
        workers: processes; a script that asks for more than one needs the usual `if __name__ == "__main__"` guard.

    Returns:
        (draws, N) float64, each row descending.

    Raises:
        ValueError: for a size, number of factors, of draws or of workers below 1.
    """
    for name, number in {"size": size, "factors": factors, "draws": draws}.items():
        if number != int(number) or number < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {number}.")
    return np.stack(in_processes(partial(_gaussian_product_spectrum, size, factors, scale), seed, draws, workers))


def in_processes(
    measure: Callable[[np.random.SeedSequence], Array], seed: int, draws: int, workers: int
) -> list[Array]:
    """measure(seed sequence of draw d) for d = 0, 1, ..., draws - 1, in this process (one worker) or in several.

    Raises:
        ValueError: for a number of workers below 1.
    """
    if workers != int(workers) or workers < 1:
        raise ValueError(f"workers must be an integer of at least 1, got {workers}.")
    sequences = np.random.SeedSequence(seed).spawn(draws)
    if workers == 1:
        return [measure(sequence) for sequence in sequences]
    # processes, because SciPy's wrapper of dgejsv keeps the interpreter locked
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(measure, sequences))


def _gaussian_product_spectrum(size: int, factors: int, scale: float, sequence: np.random.SeedSequence) -> Array:
    return product_singular_values(gaussian_factors([size] * (factors + 1), scales=scale, seed=sequence))


def _jacobi_singular_values(product: GradedProduct) -> Array:
    """Singular values of diag(d) C by preconditioned one-sided Jacobi on its transpose, C^T with scaled columns."""
    scaled = np.asfortranarray(product.rows.T * product.diagonal)  # (width, rank)
    # joba 0: relative accuracy for a well-conditioned matrix times a diagonal; no vectors, full range, no perturbation
    values, _, _, work, _, info = dgejsv(scaled, joba=0, jobu=3, jobv=3, jobr=0, jobt=0, jobp=0, overwrite_a=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK dgejsv did not converge (info = {info}).")
    return np.asarray(np.ldexp(values * (work[0] / work[1]), product.exponent))


def _checked(factors: Iterable[ArrayLike]) -> list[Array]:
    """The factors as float64 matrices, or a ValueError naming the one at fault."""
    given = [np.asarray(factor) for factor in factors]
    if not given:
        raise ValueError("a product needs at least one factor.")
    for index, factor in enumerate(given, start=1):
        if factor.ndim != 2 or 0 in factor.shape:
            raise ValueError(f"factor {index} must be a matrix with a row and a column, got shape {factor.shape}.")
        if factor.dtype.kind not in "fiub":
            raise ValueError(f"factor {index} must be real, got dtype {factor.dtype}.")
        if not np.all(np.isfinite(factor)):
            raise ValueError(f"factor {index} contains NaN or infinity.")
    for index, (before, after) in enumerate(pairwise(given), start=1):
        if before.shape[1] != after.shape[0]:
            shapes = f"{before.shape} and {after.shape}"
            raise ValueError(f"factors {index} and {index + 1} have shapes {shapes}, which do not multiply.")
    return [factor.astype(np.float64) for factor in given]
