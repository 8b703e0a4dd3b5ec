"""Exact Jacobians of fully connected toy networks, as products of factors that are never multiplied out."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.experiments.product_analogy.settings import COLUMNS, KINDS, Initialisation, Settings
from repro.machine.errors import UserError
from repro.machine.progress import track
from repro.random_matrices import suffix_singular_values

Array = NDArray[np.float64]
Draw = Callable[[], Array]  # of a weight matrix

BATCH = 128  # inputs over which batch normalisation takes its statistics


def measure(settings: Settings) -> pd.DataFrame:
    """All singular values of all Jacobians that are not zero, one row each."""
    depths, parts = sorted(set(settings.depths)), []
    pieces = [(kind, name) for kind in KINDS for name in settings.initialisations]
    for kind, initialisation in track(pieces, "kinds of networks"):
        for draw in range(settings.draws):
            # the same weights for every kind, as far as they need the same
            generator = np.random.default_rng([draw, settings.initialisations.index(initialisation)])
            layers = list(jacobian_factors(kind, settings.width, depths[-1], initialisation, generator))
            place = {number: index for index, (number, _) in enumerate(layers, start=1) if number in depths}
            if not place:
                continue
            try:
                spectra = suffix_singular_values([factor for _, factor in reversed(layers)], list(place.values()))
            except ValueError as error:
                raise UserError(
                    f"experiments.product_analogy: a network of width {settings.width} with {depths[-1]} matrices has "
                    f"no Jacobian to decompose ({str(error).rstrip('.')}); raise width or lower depths."
                ) from None
            for number, index in place.items():
                values = spectra[index]
                key = {"kind": kind, "initialisation": initialisation, "width": settings.width}
                part = pd.DataFrame({"singular_value": values[values > 0]})
                parts.append(part.assign(**key, matrices=number, draw=draw))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def jacobian_factors(
    kind: str, width: int, matrices: int, initialisation: Initialisation, generator: np.random.Generator
) -> Iterator[tuple[int, Array]]:
    """For each layer, or block of two, the number of weight matrices so far and the factor that it adds on the left.

    The Jacobian at the first of 128 standard normal inputs is the product of the factors; rows and columns are the
    units that are not switched off.
    """
    states = generator.standard_normal((width, BATCH))
    draw = partial(weight_matrix, width, initialisation, generator)
    layer, passed = LAYERS[kind]
    on = np.ones(width, dtype=bool)
    for number in range(passed, matrices + 1, passed):
        factor, states = layer(draw, states)
        now = states[:, 0] > 0 if "relu" in kind else on
        yield number, factor[now][:, on]
        on = now


# Each maps states (N, batch) to those after a layer, whose weights it draws. The first matrix that it returns, (N, N),
# is the layer's Jacobian at the first state, in the rows of units that stay on.


def _linear(draw: Draw, states: Array) -> tuple[Array, Array]:
    """W h."""
    weights = draw()
    return weights, weights @ states


def _relu(draw: Draw, states: Array) -> tuple[Array, Array]:
    """relu(W h)."""
    weights = draw()
    return weights, np.maximum(weights @ states, 0)


def _relu_batch(draw: Draw, states: Array) -> tuple[Array, Array]:
    """relu((W h - mean) / standard deviation), the moments of each unit over the batch held fixed."""
    weights = draw()
    sums = weights @ states
    spread = sums.std(axis=1, keepdims=True)
    return weights / spread, np.maximum((sums - sums.mean(axis=1, keepdims=True)) / spread, 0)


def _shortcut(draw: Draw, states: Array) -> tuple[Array, Array]:
    """h + W h."""
    factor = np.eye(len(states)) + draw()
    return factor, factor @ states


def _shortcut_relu(draw: Draw, states: Array) -> tuple[Array, Array]:
    """relu(h + W2 relu(W1 h))."""
    first, second = draw(), draw()
    inner = first @ states
    on = inner[:, 0] > 0
    factor = np.eye(len(states)) + second[:, on] @ first[on]
    return factor, np.maximum(states + second @ np.maximum(inner, 0), 0)


# Kind of network -> its layer, and how many weight matrices that passes.
LAYERS: dict[str, tuple[Callable[[Draw, Array], tuple[Array, Array]], int]] = {
    "linear": (_linear, 1),
    "relu": (_relu, 1),
    "relu_batch": (_relu_batch, 1),
    "shortcut": (_shortcut, 1),
    "shortcut_relu": (_shortcut_relu, 2),
}


def weight_matrix(width: int, initialisation: Initialisation, generator: np.random.Generator) -> Array:
    """A square W drawn as the networks' kernels are (`repro/networks/initialisation`), fan-in and fan-out N.

    Orthogonal matrices are rotations here: among the others every second I + W would be exactly singular.
    """
    if initialisation == "orthogonal":
        basis, triangle = np.linalg.qr(generator.standard_normal((width, width)))
        basis = basis * np.sign(np.diag(triangle))
        basis[:, 0] *= np.linalg.det(basis)
        return np.asarray(basis)
    if initialisation == "pytorch_default":
        return generator.uniform(-1, 1, (width, width)) / np.sqrt(width)
    variance = {"xavier_normal": 1, "kaiming_normal": 2}[initialisation] / width
    return generator.normal(0, np.sqrt(variance), (width, width))
