"""A two-dimensional convolution as the linear map it is, and the singular values of that map.

y[o, i, j] = sum over c, a, b of w[o, c, a, b] x[c, stride i + a - padding, stride j + b - padding]

with an odd kernel, padding (kernel - 1)/2 and x either zero outside its n x n grid (what the network uses) or
periodic.  The periodic map is block diagonal in Fourier space (Sedghi, Gupta and Long, ICLR 2019, arXiv 1805.10408;
with a stride, the frequencies that alias share a block).  The zero-padded one has no such basis: it is assembled as a
sparse matrix, whose extreme singular values come from Lanczos iterations on it and on its inverse, a banded
decomposition in the order (y, x, channel).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded, svdvals
from scipy.linalg.lapack import dgbtrf, dgbtrs
from scipy.sparse import csr_array, kron
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from repro.random_matrices.checks import whole_number
from repro.random_matrices.lanczos import SpectralQuadrature, spectral_quadrature

Array = NDArray[np.float64]

_LARGEST_DENSE = 4096  # singular values of a dense matrix of this size take about a minute
_SMALL = 256  # below this a dense decomposition is quicker than any iteration
_ILL_CONDITIONED = (
    "the convolution is not square and its condition is above 1e5: use zero_padded_singular_values on a smaller grid."
)


class ConvolutionSpectrum(NamedTuple):
    """Norm (largest singular value), smallest of the min(rows, columns) singular values, and their ratio, the
    condition.
    """

    norm: float
    smallest: float
    condition: float


def convolution_matrix(
    weights: ArrayLike, size: int, *, stride: int = 1, boundary: Literal["zero", "periodic"] = "zero"
) -> csr_array:
    """y = A x: the matrix of the convolution, (out m^2, in n^2) with m = ceil(n / stride).

    Args:
        weights: (out, in, k, k), k odd.
        size: n, the input grid's side; a multiple of the stride for a periodic boundary.
        stride: at least 1.
        boundary: "zero" (padding (k-1)/2, as the network) or "periodic".

    Returns:
        A sparse float64 array; its vectors are (channel, y, x) flattened.

    Raises:
        ValueError: for weights of another shape, complex or not finite, a size or stride out of range, an unknown
            boundary.
    """
    kernel = _checked(weights, size, stride)
    if boundary not in ("zero", "periodic"):
        raise ValueError(f'boundary must be "zero" or "periodic", got {boundary!r}.')
    if boundary == "periodic" and size % stride:
        raise ValueError(f"a periodic grid of side {size} cannot be taken with stride {stride}: choose a multiple.")
    out_channels, in_channels, width, _ = kernel.shape
    out_size = -(-size // stride)
    # one sparse matrix for each kernel position: shift along y and x, the same for every pair of channels
    shifts = [_shift(size, out_size, stride, offset - width // 2, boundary) for offset in range(width)]
    total = csr_array((out_channels * out_size**2, in_channels * size**2))
    for a in range(width):
        for b in range(width):
            total = total + csr_array(kron(csr_array(kernel[:, :, a, b]), kron(shifts[a], shifts[b]), format="csr"))
    return csr_array(total)


def _shift(size: int, out_size: int, stride: int, offset: int, boundary: str) -> csr_array:
    """(out_size, size) with a one where output i reads input stride i + offset."""
    rows = np.arange(out_size)
    columns = stride * rows + offset
    if boundary == "periodic":
        columns = columns % size
    inside = (columns >= 0) & (columns < size)
    return csr_array((np.ones(inside.sum()), (rows[inside], columns[inside])), shape=(out_size, size))


def periodic_singular_values(weights: ArrayLike, size: int, *, stride: int = 1) -> Array:
    """A = F* diag(B_g) F: all singular values of the convolution with a periodic boundary, those of its Fourier blocks.

    At output frequency g the block B_g is the (out, in stride^2) matrix of transfer functions at the stride^2 input
    frequencies that alias to g, divided by the stride.

    Args and errors: as `convolution_matrix`, the size being a multiple of the stride.

    Returns:
        (min(out m^2, in n^2),) float64, descending.

    Source: Sedghi, Gupta and Long (2019), for stride 1.
    """
    kernel = _checked(weights, size, stride)
    if size % stride:
        raise ValueError(f"a periodic grid of side {size} cannot be taken with stride {stride}: choose a multiple.")
    out_channels, in_channels, width, _ = kernel.shape
    frequencies = np.arange(size)[:, None] * np.arange(width)[None, :]
    phases = np.exp(2j * np.pi * frequencies / size)  # (frequency, kernel position); the centring is a phase only
    transfer = np.einsum("oiab,fa,gb->fgoi", kernel, phases, phases, optimize=True)
    out_size = size // stride
    blocks = transfer.reshape(stride, out_size, stride, out_size, out_channels, in_channels)
    blocks = blocks.transpose(1, 3, 4, 0, 2, 5).reshape(out_size**2, out_channels, stride**2 * in_channels) / stride
    values = np.linalg.svd(blocks, compute_uv=False).ravel()
    result = np.zeros(min(out_channels * out_size**2, in_channels * size**2))
    ordered = np.sort(values)[::-1][: len(result)]
    result[: len(ordered)] = ordered
    return result


def zero_padded_singular_values(weights: ArrayLike, size: int, *, stride: int = 1) -> Array:
    """All singular values of the zero-padded convolution, descending, by a dense decomposition of its matrix.

    Args and errors: as `convolution_matrix`; also ValueError when min(out m^2, in n^2) is above 4096 (use
    `zero_padded_spectrum` and `zero_padded_quadrature` there).

    Returns:
        (min(out m^2, in n^2),) float64, descending.
    """
    matrix = convolution_matrix(weights, size, stride=stride)
    if min(matrix.shape) > _LARGEST_DENSE:
        raise ValueError(
            f"the convolution has {min(matrix.shape)} singular values, above {_LARGEST_DENSE}: use "
            "zero_padded_spectrum for the extreme ones and zero_padded_quadrature for their distribution."
        )
    return np.asarray(svdvals(matrix.toarray()))


def zero_padded_spectrum(weights: ArrayLike, size: int, *, stride: int = 1, seed: int = 0) -> ConvolutionSpectrum:
    """sigma_max, sigma_min and their ratio of the zero-padded convolution, to about 1e-8 or rounding x condition.

    The norm is the root of the largest eigenvalue of A'A, the smallest singular value that of the largest eigenvalue
    of its inverse, both by Lanczos.  A square A is inverted by a banded LU decomposition; for another shape the
    smaller of A A' and A'A is inverted by a banded Cholesky decomposition.

    Args: as `convolution_matrix`; `seed` is that of the Lanczos start vectors.

    Returns:
        The three.  smallest = 0 and an infinite condition for a square operator that is singular and for one with an
        input that no output reads (or an output that reads no input), as zero weights or a stride above the kernel's
        width give.

    Raises:
        ValueError: as `convolution_matrix`.
        numpy.linalg.LinAlgError: a subclass of ValueError, for an operator that is not square, otherwise singular or
            with a condition above 1e5, which squaring would spoil; and where Lanczos does not converge.
    """
    kernel = _checked(weights, size, stride)
    # taken to size one, so that squares stay in the range of doubles; a power of two changes no digit
    exponent = int(np.frexp(np.abs(kernel).max())[1])
    kernel = np.ldexp(kernel, -exponent)
    matrix = convolution_matrix(kernel, size, stride=stride)
    out_channels, in_channels = kernel.shape[:2]
    rows, columns = matrix.shape
    # a row, or on the other side a column, of zeros: the smallest singular value is exactly zero
    unread = bool(np.any(np.abs(matrix).sum(axis=1 if rows <= columns else 0) == 0))
    if min(rows, columns) <= _SMALL:
        values = svdvals(matrix.toarray())
        return _spectrum(values[0], 0.0 if unread else values[-1], exponent)
    if not kernel.any():
        return _spectrum(0.0, 0.0, exponent)
    # grid position before channel: neighbours are close, so that the matrix has a narrow band
    matrix = matrix[_channel_last(out_channels, -(-size // stride))][:, _channel_last(in_channels, size)]
    wide = csr_array(matrix if rows <= columns else matrix.T)
    norm = np.sqrt(_largest_eigenvalue(lambda vector: wide @ (wide.T @ vector), min(rows, columns), seed))
    if unread:
        return _spectrum(norm, 0.0, exponent)
    if rows == columns:
        inverse = _square_inverse_gram(wide)
        if inverse is None:
            return _spectrum(norm, 0.0, exponent)
    else:
        inverse = _rectangular_inverse_gram(wide)
    smallest = 1.0 / np.sqrt(_largest_eigenvalue(inverse, min(rows, columns), seed))
    if rows != columns and norm > 1e5 * smallest:
        raise np.linalg.LinAlgError(_ILL_CONDITIONED)
    return _spectrum(norm, smallest, exponent)


def _spectrum(norm: float, smallest: float, exponent: int) -> ConvolutionSpectrum:
    condition = float(norm / smallest) if smallest > 0 else float("inf")
    return ConvolutionSpectrum(float(np.ldexp(norm, exponent)), float(np.ldexp(smallest, exponent)), condition)


def _channel_last(channels: int, size: int) -> NDArray[np.intp]:
    return np.arange(channels * size**2).reshape(channels, size, size).transpose(1, 2, 0).ravel()


def _largest_eigenvalue(apply: Callable[[Array], Array], dimension: int, seed: int) -> float:
    operator = LinearOperator((dimension, dimension), matvec=lambda vector: apply(vector.ravel()), dtype=float)
    start = np.random.default_rng(seed).standard_normal(dimension)
    try:
        return float(eigsh(operator, k=1, which="LA", v0=start, tol=1e-10, return_eigenvectors=False)[0])
    except ArpackError as error:
        raise np.linalg.LinAlgError(
            f"Lanczos did not find the convolution's extreme singular values: {error}"
        ) from None


def _square_inverse_gram(matrix: csr_array) -> Callable[[Array], Array] | None:
    """The map b -> (A A')^-1 b of a square banded A, or None when a pivot is exactly zero."""
    entries = matrix.tocoo()
    lower, upper = int((entries.row - entries.col).max()), int((entries.col - entries.row).max())
    band = np.zeros((2 * lower + upper + 1, matrix.shape[1]), order="F")  # LAPACK's layout, `lower` rows for pivoting
    band[lower + upper + entries.row - entries.col, entries.col] = entries.data
    band, pivots, info = dgbtrf(band, lower, upper, overwrite_ab=1)
    if info > 0:
        return None

    def apply(vector: Array) -> Array:
        inner, _ = dgbtrs(band, lower, upper, vector, pivots, trans=0)
        outer, _ = dgbtrs(band, lower, upper, inner, pivots, trans=1)
        return np.asarray(outer)

    return apply


def _rectangular_inverse_gram(wide: csr_array) -> Callable[[Array], Array]:
    """The map b -> (A A')^-1 b of a wide banded A."""
    entries = (wide @ wide.T).tocoo()
    below = entries.row >= entries.col
    offsets = (entries.row - entries.col)[below]
    band = np.zeros((int(offsets.max()) + 1, wide.shape[0]))
    band[offsets, entries.col[below]] = entries.data[below]
    try:
        factor = cholesky_banded(band, lower=True, overwrite_ab=True)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(_ILL_CONDITIONED) from error
    return lambda vector: np.asarray(cho_solve_banded((factor, True), vector))


def zero_padded_quadrature(
    weights: ArrayLike, size: int, *, stride: int = 1, probes: int = 20, steps: int = 60, seed: int = 0
) -> SpectralQuadrature:
    """mean f(sigma) of the zero-padded convolution, as nodes and weights, by stochastic Lanczos quadrature.

    Args, returns and errors: as `convolution_matrix` and `spectral_quadrature`.
    """
    matrix = convolution_matrix(weights, size, stride=stride)
    return spectral_quadrature(matrix, probes=probes, steps=steps, seed=seed)


def effective_rank_of_quadrature(quadrature: SpectralQuadrature) -> tuple[float, float]:
    """log rank = log E - H / E, E = d mean(sigma^2), H = d mean(sigma^2 log sigma^2): effective rank of a spectrum.

    That is rank = exp(-sum p log p) with p = sigma^2 / sum sigma^2: how many directions carry the map's energy.

    Args:
        quadrature: at least two probes; d is its `dimension`.

    Returns:
        The estimate and its standard error over the probes (delta method).

    Raises:
        ValueError: for a single probe.

    Source: Roy and Vetterli, EUSIPCO 2007, who normalise the singular values; here their squares, so that p is the
    spectrum of the Gram matrix with unit trace.
    """
    squares = quadrature.nodes**2
    logs = squares * np.log(np.where(squares > 0, squares, 1.0))
    energies = quadrature.dimension * np.sum(quadrature.weights * squares, axis=1)  # (probes,)
    entropies = quadrature.dimension * np.sum(quadrature.weights * logs, axis=1)
    energy, entropy = energies.mean(), entropies.mean()
    rank = float(energy * np.exp(-entropy / energy))
    # derivative of log rank with respect to the two means
    influence = (1 / energy + entropy / energy**2) * energies - entropies / energy
    if len(influence) < 2:
        raise ValueError("a standard error needs at least two probes.")
    return rank, float(rank * influence.std(ddof=1) / np.sqrt(len(influence)))


def _checked(weights: ArrayLike, size: int, stride: int) -> Array:
    given = np.asarray(weights)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"weights must be real, got dtype {given.dtype}.")
    kernel = given.astype(np.float64)
    if kernel.ndim != 4 or 0 in kernel.shape or kernel.shape[2] != kernel.shape[3] or kernel.shape[2] % 2 == 0:
        raise ValueError(f"weights must have shape (out, in, k, k) with k odd, got {kernel.shape}.")
    if not np.all(np.isfinite(kernel)):
        raise ValueError("weights contain NaN or infinity.")
    whole_number("size, with this kernel,", size, least=kernel.shape[2])
    whole_number("stride", stride)
    return kernel
