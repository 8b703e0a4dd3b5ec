"""How well the channels of a layer are conditioned."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from repro.instruments.effective_rank import effective_rank

QUANTITIES = (
    "condition_second_moment",
    "condition_covariance",
    "rank_second_moment",
    "rank_covariance",
    "mean_energy",
    "scale_spread",
)


def conditioning(output: Tensor) -> dict[str, float]:
    """How well a layer's channels are conditioned, over batch and space: two counts of channels, and `QUANTITIES`.

    With O_n the n-th vector of channels: second moments S = mean of O_n O_n^T, means m, covariance S - m m^T; the share
    of energy m_c^2 / S_cc, averaged over channels; and the standard deviation over channels of ln std_c. A channel
    without energy has no share and one without variance no logarithm; these are left out. `output`: raw convolution
    output, float (batch, channel, y, x). Everything but the counts is NaN when an output is not finite.
    """
    vectors = output.double().transpose(0, 1).flatten(1)  # (channel, batch * y * x)
    channels, count = vectors.shape
    means = vectors.mean(dim=1, keepdim=True)
    centred = vectors - means  # S - m m^T would cancel where means dominate
    second_moment = (vectors @ vectors.T / count).cpu().numpy()
    covariance = (centred @ centred.T / count).cpu().numpy()
    # All values of a channel being equal, and not their computed variance being zero, is exact.
    constant = (vectors == vectors[:, :1]).all(dim=1).cpu().numpy()
    result: dict[str, float] = {"channels": channels, "constant_channels": int(constant.sum())}
    result |= dict.fromkeys(QUANTITIES, float("nan"))
    if not np.isfinite(second_moment).all():
        return result
    for name, matrix in (("second_moment", second_moment), ("covariance", covariance)):
        eigenvalues = np.linalg.eigvalsh(matrix)
        result[f"condition_{name}"] = condition_number(eigenvalues)
        result[f"rank_{name}"] = effective_rank(eigenvalues)
    energy, variance = np.diag(second_moment), np.diag(covariance)[~constant]
    squared_means = means[:, 0].cpu().numpy() ** 2
    if (energy > 0).any():
        result["mean_energy"] = float((squared_means[energy > 0] / energy[energy > 0]).mean())
    if len(variance):
        result["scale_spread"] = float((0.5 * np.log(variance)).std())
    return result


def condition_number(eigenvalues: NDArray[np.float64]) -> float:
    """Largest over smallest eigenvalue of a symmetric positive semidefinite C x C matrix.

    `eigenvalues` float64 (C,) in rising order, as computed in double precision: their errors are of the order of
    C eps times the largest, eps = 2.2e-16, so a smallest one below that cannot be told from 0, and the condition number
    is infinite. NaN when one is not finite or all are zero.
    """
    smallest, largest = eigenvalues[0], eigenvalues[-1]
    if not np.isfinite(eigenvalues).all() or largest <= 0:
        return float("nan")
    if smallest <= len(eigenvalues) * np.finfo(np.float64).eps * largest:
        return float("inf")
    return float(largest / smallest)
