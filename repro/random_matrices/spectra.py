"""Singular values of a product of matrices without forming it.

Forming X_1 ... X_M in floating point leaves an absolute error of about rounding x sigma_max: every singular value below
it is noise.  Here the product is kept as Q D C with Q orthonormal, D diagonal and C well conditioned:

    X_M = Q D C                         QR with column pivoting, D = |diag R|, C = D^-1 R P^T
    X_k (Q D) C = Q' R P^T C            the same of X_k Q D;  D' = |diag R|,  C' = D'^-1 R P^T C

All grading sits in D, so each step costs rounding x condition(C) x condition(X_k), whatever the condition of the
product.  One-sided Jacobi, preconditioned by QR (LAPACK dgejsv), then finds every singular value of D C with a relative
error of about rounding x condition(C).  Repeating the decomposition for each factor is the "stratification" of long
products.

The condition that counts is that of X_k with its rows and columns scaled to one size.  Rows: each is divided by a power
of two, and where their sizes differ they are sorted by size before the QR, which makes it backward stable row by row
(Cox and Higham).  Columns: where their sizes differ, X_k = Y diag(2^e) counts as two factors, and the diagonal one only
scales rows.  D holds its powers of two as integers, so that scalings and long products stay in range on the way.

Sources: Stewart, SIAM J. Matrix Anal. Appl. 16 (1995) 1297 (graded QR of products); Bai, Lee, Li and Xu, Linear Algebra
Appl. 435 (2011) 659 (stratification); Demmel, Gu, Eisenstat, Slapnicar, Veselic and Drmac, Linear Algebra Appl. 299
(1999) 21 (singular values from rank-revealing decompositions); Cox and Higham, in Numerical Analysis 1997 (Pitman
Research Notes in Mathematics 380, 1998) 57 (sorted rows); Higham, Linear Algebra Appl. 309 (2000) 153 (QR of matrices
scaled on both sides); Drmac and Veselic, SIAM J. Matrix Anal. Appl. 29 (2008) 1322 and 1343 (dgejsv); Kenney and Laub,
SIAM J. Sci. Comput. 15 (1994) 36 (conditions from random perturbations, for the bounds).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lu, qr
from scipy.linalg.lapack import dgejsv

from repro.random_matrices.checks import whole_number
from repro.random_matrices.sampling import gaussian_factors

Array = NDArray[np.float64]
Exponents = NDArray[np.int64]

_UNEVEN = 4  # rows are sorted, and columns split off, where their sizes differ by more than 2^4
_ROW_RANGE = 900  # binary orders between the rows of one factor: QR forms quotients of their entries
_QR_RANGE = 2000  # binary orders between the entries that one QR sees, all of them normal numbers
_ORDER_OF_ZERO = -(2**20)  # below that of every double
_TOP = 480  # Jacobi forms squares: it sees 2^-480 .. 2^480
_GAP = 64  # across a gap of 2^64 in D singular values do not feel one another: (2^-64)^2 is below rounding
_OUT_OF_RANGE = "the singular values of the product span more than the range of double precision"

_NOISE = 2.0**-36  # relative size of the disturbances from which the bounds come: far above rounding, still small
_DISTURBED = 5  # disturbed runs behind a bound
_SAFETY = 32.0  # between the largest change seen, taken down to the size of rounding, and the bound


class GradedProduct(NamedTuple):
    """A product as Q diag(d 2^e) C, the orthonormal Q left out: the singular values do not depend on it.

    diagonal: d, (rank,) float64 in [1/2, 1); rows: C, (rank, N_0) float64, well conditioned; exponents: e, (rank,)
    int64.
    """

    diagonal: Array
    rows: Array
    exponents: Exponents


class BoundedSpectrum(NamedTuple):
    """Singular values, (n,) float64, descending, and the error bound of each, (n,): |value - exact| <= bound.

    What the bounds rest on: `product_singular_values_with_bounds`.
    """

    values: Array
    bounds: Array

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """(n,): False marks a value that is not above its bound, of which nothing is known but that it is small.

        Zeros with bound zero count as resolved: they are exact, beyond the rank that widths and zero rows allow.
        """
        return (self.values > self.bounds) | (self.bounds == 0)


class _State(NamedTuple):
    """The decomposition Q diag(d 2^e) C of the factors multiplied so far."""

    basis: Array
    diagonal: Array
    exponents: Exponents
    rows: Array


def graded_product(factors: Iterable[ArrayLike]) -> GradedProduct:
    """X_1 X_2 ... X_M = Q diag(d 2^e) C with C well conditioned: decompose the product without forming it.

    Args:
        factors: X_1, ..., X_M, two-dimensional, neighbouring shapes matching, finite, real.

    Returns:
        The decomposition; the relative error of the singular values is of the order of the rounding unit times
        `numpy.linalg.cond(rows)` times the largest condition of a factor, its rows scaled to one size.

    Raises:
        ValueError: for no factor, shapes that do not match, entries that are not finite, or sizes that span more than
            the range of double precision.

    Source: Stewart (1995); Bai, Lee, Li and Xu (2011).
    """
    *_, product = _suffixes(_checked(factors))
    return product


def _suffixes(matrices: list[Array], noise: np.random.Generator | None = None) -> Iterator[GradedProduct]:
    """Decompositions of X_M, X_(M-1) X_M, ..., X_1 ... X_M; with noise put where rounding errors arise."""
    width = matrices[-1].shape[1]
    state = _State(np.eye(width), np.ones(width), np.zeros(width, dtype=np.int64), np.eye(width))
    for number in range(len(matrices), 0, -1):
        matrix = matrices[number - 1]
        orders = np.where(matrix == 0, _ORDER_OF_ZERO, np.frexp(matrix)[1]).astype(np.int64)
        columns = _largest(orders, axis=0)
        if number == len(matrices):
            state = state._replace(exponents=columns)  # D is the identity yet: exact
        elif np.ptp(columns) > _UNEVEN:
            state = _multiplied(state.basis, columns, state, number, noise)
        else:
            columns = np.zeros_like(columns)
        sizes = _largest(np.where(matrix == 0, _ORDER_OF_ZERO, orders - columns), axis=1)
        # in the matrix's own memory order, on which the last bits of the product depend
        core = np.ldexp(matrix, -(sizes[:, None] + columns), out=np.empty_like(matrix))
        state = _multiplied(core @ state.basis, sizes, state, number, noise)
        yield GradedProduct(state.diagonal, state.rows, state.exponents)


def _largest(orders: Exponents, axis: int) -> Exponents:
    """Largest binary order in each column (axis 0) or row (axis 1); where all are zeros, the least of the others."""
    largest = orders.max(axis=axis)
    zero = largest == _ORDER_OF_ZERO
    largest[zero] = 0 if zero.all() else largest[~zero].min()
    return np.asarray(largest)


def _multiplied(core: Array, sizes: Exponents, state: _State, number: int, noise: np.random.Generator | None) -> _State:
    """Q' D' C' of diag(2^sizes) core D C."""
    if not core.any():
        none = np.empty(0)
        return _State(np.empty((len(core), 0)), none, none.astype(np.int64), np.empty((0, state.rows.shape[1])))
    highest, lowest = sizes.max() + state.exponents.max(), sizes.min() + state.exponents.min()
    if np.ptp(sizes) > _ROW_RANGE or highest - lowest > _QR_RANGE:
        raise ValueError(f"{_OUT_OF_RANGE} at factor {number}: use fewer factors, or scale its rows and columns.")
    shift = (highest + lowest) // 2
    scaled = np.ldexp(_disturbed(core, noise) * state.diagonal, sizes[:, None] + (state.exponents - shift))
    # a row of zeros left in would leave rounding errors behind for the singular value that it makes exactly zero
    order = np.flatnonzero(core.any(axis=1))
    if np.ptp(sizes) > _UNEVEN:
        order = order[_row_order(scaled[order])]
    scaled = scaled[order]
    if noise is not None:  # elimination rounds what it forms on the way, and that may exceed the entries
        left, right, pivots = qr(scaled, mode="economic", pivoting=True, check_finite=False)
        scaled[:, pivots] += _NOISE * (np.abs(left) @ np.abs(right)) * noise.standard_normal(scaled.shape)
    sorted_basis, triangle, pivots = qr(scaled, mode="economic", pivoting=True, check_finite=False)
    lengths = np.abs(np.diag(triangle))
    rank = int(np.count_nonzero(lengths))  # exact zeros only; pivoting puts them last
    basis = np.zeros((len(core), rank), order="F")
    basis[order] = sorted_basis[:, :rank]
    diagonal, exponents = np.frexp(lengths[:rank])
    rows = _disturbed((triangle[:rank] / lengths[:rank, None]) @ state.rows[pivots], noise)  # (rank, width)
    return _State(basis, diagonal, exponents.astype(np.int64) + shift, rows)


def _row_order(scaled: Array) -> NDArray[np.intp]:
    """Rows by size: each the largest in the column that is its turn, in the order in which QR takes the columns.

    Sorting by the largest entry of all is not enough: a row's large entries may stand in columns that come later.
    """
    order = np.argsort(-np.abs(scaled).max(axis=1), kind="stable")
    _, pivots = qr(scaled[order], mode="r", pivoting=True, check_finite=False)
    places, _, _ = lu(scaled[order][:, pivots], p_indices=True, check_finite=False)  # partial pivoting
    return np.asarray(order[np.argsort(places)])


def _disturbed(array: Array, noise: np.random.Generator | None) -> Array:
    """The array with noise relative to the lengths of its rows, or as it is."""
    if noise is None:
        return array
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array + _NOISE * lengths * noise.standard_normal(array.shape))


def product_singular_values(factors: Iterable[ArrayLike]) -> Array:
    """sigma(X_1 X_2 ... X_M), each singular value with high relative accuracy, without forming the product.

    Args:
        factors: X_1, ..., X_M, two-dimensional, neighbouring shapes matching, finite, real.  One factor is allowed.

    Returns:
        (min(rows of X_1, columns of X_M),) float64, descending; exact zeros beyond the rank that the widths allow.
        `product_singular_values_with_bounds` says how far each can be trusted.

    Raises:
        ValueError: as `graded_product`; also for a singular value that is not zero and below 2.3e-308, or above
            1.7e308.

    Source: Stewart (1995); Drmac and Veselic (2008).
    """
    matrices = _checked(factors)
    return suffix_singular_values(matrices, [len(matrices)])[len(matrices)]


def suffix_singular_values(factors: Iterable[ArrayLike], depths: Collection[int]) -> dict[int, Array]:
    """sigma(X_(M-d+1) ... X_M) for every d in depths: the products of the last d factors, in one pass.

    Args:
        factors: as `product_singular_values`.
        depths: the numbers d, each an integer from 1 to M.

    Returns:
        d -> (min(rows of X_(M-d+1), columns of X_M),) float64, descending.

    Raises:
        ValueError: as `product_singular_values`; also for no depth or a depth that is no integer from 1 to M.
    """
    matrices = _checked(factors)
    return _suffix_values(matrices, _checked_depths(depths, len(matrices)))


def product_singular_values_with_bounds(factors: Iterable[ArrayLike], *, seed: int = 0) -> BoundedSpectrum:
    """sigma(X_1 X_2 ... X_M) as `product_singular_values` gives them, and an error bound for each.

    bound_i = 32 (u / delta) max over five runs of |sigma_i - sigma_i(disturbed)| + 8 u sigma_i,

    u = 2^-53, delta = 2^-36: the computation is repeated with Gaussian noise of relative size delta put where it
    rounds (on the rows of every X_k Q, on what its QR forms, on the rows of every C), and what the values move is taken
    down to the size of rounding.  A statistical bound, not a proof: it follows each value's own condition, so that a
    factor that is nearly singular spoils the bounds of those values alone that it spoils.  In thousands of products of
    every kind, compared with high precision, no error passed a third of its bound.  Some nine times the time.

    Args:
        factors: as `product_singular_values`.
        seed: of the noise.

    Returns:
        `values`, `bounds` and, as a property, `resolved`: False where a value is not above its bound.

    Raises:
        ValueError: as `product_singular_values`.

    Source: the idea is that of Kenney and Laub (1994), small-sample statistical condition estimates.
    """
    matrices = _checked(factors)
    return suffix_singular_values_with_bounds(matrices, [len(matrices)], seed=seed)[len(matrices)]


def suffix_singular_values_with_bounds(
    factors: Iterable[ArrayLike], depths: Collection[int], *, seed: int = 0
) -> dict[int, BoundedSpectrum]:
    """`suffix_singular_values` with the bounds of `product_singular_values_with_bounds`.

    Args and errors: as these two.

    Returns:
        d -> values and bounds of the product of the last d factors.
    """
    matrices = _checked(factors)
    wanted = _checked_depths(depths, len(matrices))
    spectra = _suffix_values(matrices, wanted)
    generator = np.random.default_rng(seed)

    moves = {depth: np.zeros_like(values) for depth, values in spectra.items()}
    for _ in range(_DISTURBED):
        for depth, values in _suffix_values(matrices, wanted, generator).items():
            moves[depth] = np.maximum(moves[depth], np.abs(values - spectra[depth]))
    rounding = np.finfo(float).eps / 2
    return {
        depth: BoundedSpectrum(values, rounding * (_SAFETY / _NOISE * moves[depth] + 8 * values))
        for depth, values in spectra.items()
    }


def _suffix_values(
    matrices: list[Array], depths: set[int], noise: np.random.Generator | None = None
) -> dict[int, Array]:
    spectra = {}
    for depth, product in enumerate(_suffixes(matrices, noise), start=1):
        if depth in depths:
            values = np.zeros(min(matrices[-depth].shape[0], matrices[-1].shape[1]))
            if len(product.diagonal):
                values[: len(product.diagonal)] = _jacobi_singular_values(product)
            spectra[depth] = values
        if depth == max(depths):
            break
    return spectra


def gaussian_product_spectra(
    size: int, factors: int, draws: int, *, scale: float = 1.0, seed: int, workers: int = 1
) -> Array:
    """sigma(X_1 ... X_M) of independent products of Gaussian N x N matrices, entries of variance s^2/N (Figure 9).

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
        whole_number(name, number)
    return np.stack(in_processes(partial(_gaussian_product_spectrum, size, factors, scale), seed, draws, workers))


def in_processes(
    measure: Callable[[np.random.SeedSequence], Array], seed: int, draws: int, workers: int
) -> list[Array]:
    """measure(seed sequence of draw d) for d = 0, 1, ..., draws - 1, in this process (one worker) or in several.

    Raises:
        ValueError: for a number of workers below 1.
    """
    whole_number("workers", workers)
    sequences = np.random.SeedSequence(seed).spawn(draws)
    if workers == 1:
        return [measure(sequence) for sequence in sequences]
    # processes, because SciPy's wrapper of dgejsv keeps the interpreter locked
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(measure, sequences))


def _gaussian_product_spectrum(size: int, factors: int, scale: float, sequence: np.random.SeedSequence) -> Array:
    return product_singular_values(gaussian_factors([size] * (factors + 1), scales=scale, seed=sequence))


def _jacobi_singular_values(product: GradedProduct) -> Array:
    """Singular values of D C by preconditioned one-sided Jacobi on its transpose, C^T with scaled columns."""
    exponents = product.exponents
    # wide gaps are narrowed, and the values below them taken back to their own size
    narrowed = _TOP - np.concatenate([[0], np.cumsum(np.minimum(-np.diff(exponents), _GAP))])
    if narrowed[-1] < -_TOP:
        raise ValueError(f"{_OUT_OF_RANGE} (about 10^289 for values that lie close): use fewer factors.")
    scaled = np.asfortranarray(product.rows.T * np.ldexp(product.diagonal, narrowed))  # (width, rank)
    # joba 0: relative accuracy for a well-conditioned matrix times a diagonal; no vectors, full range, no perturbation
    values, _, _, work, _, info = dgejsv(scaled, joba=0, jobu=3, jobv=3, jobr=0, jobt=0, jobp=0, overwrite_a=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK dgejsv did not converge (info = {info}).")
    values = values * (work[0] / work[1])
    with np.errstate(over="ignore", under="ignore"):
        result = np.ldexp(values, exponents - narrowed)
    if np.any((values > 0) & ~((result >= np.finfo(float).tiny) & np.isfinite(result))):
        raise ValueError(f"{_OUT_OF_RANGE}: use fewer factors, or scale them.")
    return np.asarray(result)


def _checked_depths(depths: Collection[int], factors: int) -> set[int]:
    wanted = {whole_number("a depth", depth) for depth in depths}
    if not wanted or max(wanted) > factors:
        raise ValueError(f"depths must lie between 1 and the number of factors, {factors}, got {list(depths)}.")
    return wanted


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
