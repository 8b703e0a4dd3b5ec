"""Singular values of an operator known only through products with it and with its transpose.

Golub-Kahan-Lanczos bidiagonalisation: A V = U B with orthonormal U, V and upper bidiagonal B.  The singular values of
B approach the extreme ones of A; the squares of the first components of its right singular vectors are the weights of
a Gauss quadrature for the spectral measure of A'A seen from the start vector (stochastic Lanczos quadrature when that
vector is random).

Sources: Golub and Kahan, SIAM J. Numer. Anal. 2 (1965) 205; Golub and Meurant, Matrices, Moments and Quadrature (2010);
Ubaru, Chen and Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from repro.random_matrices.checks import whole_number

Array = NDArray[np.float64]


_REFUSED = "the operator must be real and finite"


class Bidiagonalisation(NamedTuple):
    """A V = U B, A' U = V B' + residual v e_k': `diagonal` (k,) and `superdiagonal` (k-1,) of B, and `residual` >=
    0.
    """

    diagonal: Array
    superdiagonal: Array
    residual: float

    def matrix(self) -> Array:
        """The upper bidiagonal B, (k, k)."""
        return np.diag(self.diagonal) + np.diag(self.superdiagonal, 1)


class ExtremeSingularValues(NamedTuple):
    """Largest and smallest singular value, each with the distance within which some singular value of A surely lies.

    The estimates approach from inside: largest <= sigma_max and smallest >= sigma_min.  All of it apart from rounding,
    some 1e-15 of the largest.
    """

    largest: float
    largest_bound: float
    smallest: float
    smallest_bound: float
    steps: int


class SpectralQuadrature(NamedTuple):
    """Nodes (Ritz values) and weights, (probes, steps); each row of weights adds up to one.

    `bounds`, of the same shape: within this distance of the node some singular value surely lies, rounding apart. The
    extreme nodes
    approach the extreme singular values from inside. `dimension` is the number of singular values, min(rows, columns).
    """

    nodes: Array
    weights: Array
    bounds: Array
    dimension: int

    def mean(self, function: Callable[[Array], Array]) -> tuple[float, float]:
        """Mean of function(sigma) over all singular values: estimate and its standard error over the probes.

        Raises:
            ValueError: for a single probe, which has no standard error.
        """
        estimates = np.sum(self.weights * function(self.nodes), axis=1)
        if len(estimates) < 2:
            raise ValueError("a standard error needs at least two probes.")
        return float(estimates.mean()), float(estimates.std(ddof=1) / np.sqrt(len(estimates)))

    def fraction_per_bin(self, edges: Array) -> Array:
        """Share of the singular values in each bin of increasing edges, (bins,)."""
        counts, _ = np.histogram(self.nodes, bins=edges, weights=self.weights)
        return np.asarray(counts / len(self.nodes))


def golub_kahan_lanczos(operator: Any, steps: int, start: Array) -> Bidiagonalisation:
    """A V = U B: bidiagonalise A from a start vector, with full reorthogonalisation.

    Args:
        operator: (m, n) `LinearOperator`, or anything `aslinearoperator` takes, with matvec and rmatvec; real.
        steps: k, at most min(m, n).
        start: (n,) vector, real, not zero.

    Returns:
        B and the residual.  Fewer than `steps` rows when the start vector lies in a smaller invariant subspace.

    Raises:
        ValueError: for steps out of range; a start vector of the wrong shape, zero, complex or not finite; an operator
            that is complex or whose products are: NaN, infinite, complex or longer than the range of doubles.

    Source: Golub and Kahan (1965).
    """
    linear = _real(operator)
    rows, columns = linear.shape
    steps = whole_number("steps", steps)
    if steps > min(rows, columns):
        raise ValueError(
            f"steps must be an integer from 1 to {min(rows, columns)} for an operator of shape {linear.shape}."
        )
    start = np.asarray(start)
    if (
        start.shape != (columns,)
        or start.dtype.kind not in "fiub"
        or not np.all(np.isfinite(start))
        or not np.any(start)
    ):
        raise ValueError(
            f"the start vector must be real, finite, not zero and of shape ({columns},), got shape {start.shape} and "
            f"dtype {start.dtype}."
        )
    start = start.astype(np.float64)
    state = _Lanczos(linear, start, steps)
    state.advance(steps)
    return state.result()


class _Lanczos:
    """The running bidiagonalisation, so that steps can be added until the wanted values have settled."""

    def __init__(self, operator: LinearOperator, start: Array, capacity: int) -> None:
        rows, columns = operator.shape
        self.operator = operator
        self.left = np.zeros((capacity, rows))  # rows are the vectors u
        self.right = np.zeros((capacity, columns))  # rows are the vectors v
        self.next_right = start / _length(start)
        self.diagonal: list[float] = []
        self.superdiagonal: list[float] = []
        self.exhausted = False

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            if self.exhausted:
                return
            k = len(self.diagonal)
            self.right[k] = self.next_right
            u = _product(self.operator.matvec, self.right[k])
            if k:
                u = u - self.superdiagonal[k - 1] * self.left[k - 1]
            u = _orthogonal(u, self.left[:k])
            alpha = _length(u)
            v = np.zeros_like(self.next_right)
            if alpha > self._negligible():
                self.left[k] = u / alpha
                v = _product(self.operator.rmatvec, self.left[k]) - alpha * self.right[k]
                v = _orthogonal(v, self.right[: k + 1])
            else:
                alpha = 0.0
            self.diagonal.append(alpha)
            beta = _length(v)
            self.exhausted = beta <= self._negligible()
            self.superdiagonal.append(0.0 if self.exhausted else beta)
            if not self.exhausted:
                self.next_right = v / beta

    def _negligible(self) -> float:
        largest = max([*self.diagonal, *self.superdiagonal], default=0.0)
        return float(np.finfo(float).eps * largest * np.sqrt(self.right.shape[1]))

    def result(self) -> Bidiagonalisation:
        return Bidiagonalisation(np.array(self.diagonal), np.array(self.superdiagonal[:-1]), self.superdiagonal[-1])


def _product(apply: Callable[[Array], Any], vector: Array) -> Array:
    """apply(vector) as a float64 vector.  Unchecked, a NaN would end the recursion as a zero does."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = np.asarray(apply(vector)).ravel()
    if product.dtype.kind not in "fiub":
        raise ValueError(f"{_REFUSED}, but a product with it has dtype {product.dtype}.")
    if not np.all(np.isfinite(product)):
        raise ValueError(f"{_REFUSED}, but a product with it holds NaN or infinity.")
    return product.astype(np.float64)


def _length(vector: Array) -> float:
    """The Euclidean norm, also where the squares leave the range of doubles."""
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector))
    if not 1e-140 < length < 1e140:
        largest = float(np.abs(vector).max(initial=0.0))
        length = largest * float(np.linalg.norm(vector / largest)) if largest > 0 else 0.0
    if not np.isfinite(length):
        raise ValueError(f"{_REFUSED}, but a product with it is longer than the range of doubles.")
    return length


def _orthogonal(vector: Array, basis: Array) -> Array:
    """Remove the components along the orthonormal rows of `basis`; twice is enough."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector


def extreme_singular_values(
    operator: Any, *, seed: int, tolerance: float = 1e-8, maximum_steps: int | None = None
) -> ExtremeSingularValues:
    """sigma_max and sigma_min of A (of its min(m, n) singular values) by Golub-Kahan-Lanczos from a random vector.

    Steps are added until both bounds are below tolerance times the value, or `maximum_steps` is reached: read the
    bounds. The largest settles in tens of steps; the smallest of an ill-conditioned operator may need all min(m, n)
    of them.

    Args:
        operator: (m, n), as `golub_kahan_lanczos`.
        seed: of the start vector.
        tolerance: relative.
        maximum_steps: min(m, n) when left out; memory is steps x (m + n) doubles.

    Returns:
        Both values, their bounds and the number of steps taken.

    Raises:
        ValueError: for a step limit or tolerance out of range; for an operator as `golub_kahan_lanczos`.

    Source: Golub and Kahan (1965).
    """
    linear = _tall(operator)
    columns = linear.shape[1]
    limit = columns if maximum_steps is None else whole_number("maximum_steps", maximum_steps)
    if limit > columns:
        raise ValueError(f"maximum_steps must be an integer from 1 to {columns}, got {maximum_steps}.")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive, got {tolerance}.")
    state = _Lanczos(linear, np.random.default_rng(seed).standard_normal(columns), limit)
    while True:
        state.advance(min(10, limit - len(state.diagonal)))
        result = state.result()
        left, values, _ = np.linalg.svd(result.matrix())
        bounds = result.residual * np.abs(left[-1])
        found = ExtremeSingularValues(values[0], bounds[0], values[-1], bounds[-1], len(values))
        settled = bounds[0] <= tolerance * values[0] and bounds[-1] <= tolerance * values[-1]
        if settled or state.exhausted or len(values) == limit:
            return found


def spectral_quadrature(operator: Any, *, probes: int, steps: int, seed: int) -> SpectralQuadrature:
    """mean f(sigma) = sum of weight x f(node): distribution of A's singular values by stochastic Lanczos quadrature.

    For a random sign vector z of dimension d = min(m, n), z' f(A'A) z / d has the mean of f over the squared singular
    values as its expectation, and k Lanczos steps integrate polynomials of degree below 2k in sigma^2 exactly.

    Args:
        operator: (m, n), as `golub_kahan_lanczos`.
        probes: number of random start vectors, at least 1.
        steps: Lanczos steps for each.
        seed: of the start vectors.

    Returns:
        nodes, weights and bounds, padded with zeros where a start vector needed fewer steps.

    Raises:
        ValueError: for probes below 1; as `golub_kahan_lanczos`.

    Source: Ubaru, Chen and Saad (2017).
    """
    linear = _tall(operator)
    columns = linear.shape[1]
    probes, steps = whole_number("probes", probes), whole_number("steps", steps)
    generator = np.random.default_rng(seed)
    nodes, weights, bounds = np.zeros((3, probes, steps))
    for probe in range(probes):
        start = generator.choice([-1.0, 1.0], columns)
        bidiagonal = golub_kahan_lanczos(linear, steps, start)
        left, values, right = np.linalg.svd(bidiagonal.matrix())
        nodes[probe, : len(values)] = values
        weights[probe, : len(values)] = right[:, 0] ** 2
        bounds[probe, : len(values)] = bidiagonal.residual * np.abs(left[-1])
    return SpectralQuadrature(nodes, weights, bounds, columns)


def _tall(operator: Any) -> LinearOperator:
    """The operator or its transpose, whichever has no more columns than rows: its null space is no singular value of
    A.
    """
    linear = _real(operator)
    return linear if linear.shape[0] >= linear.shape[1] else linear.T


def _real(operator: Any) -> LinearOperator:
    linear = aslinearoperator(operator)
    if np.issubdtype(linear.dtype, np.complexfloating):
        raise ValueError(f"{_REFUSED}, got {linear.dtype}.")
    return linear
