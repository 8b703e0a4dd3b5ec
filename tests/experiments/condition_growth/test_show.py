"""The condition number against the number of factors: the fitted rate against theory, summary and figure."""

import numpy as np
import pytest

from repro.experiments.condition_growth import show
from repro.random_matrices import condition_decades_per_factor
from tests.experiments.tables import show_and_judge


def test_the_fitted_rate_agrees_with_the_lyapunov_exponents(growth):
    rate, low, high = show.fitted_rate(growth)
    assert low < condition_decades_per_factor(10) < high
    assert low < rate < high
    # Lyapunov exponents by brute force: the mean of the logarithms of QR's diagonal over a long product.
    generator = np.random.default_rng(0)
    frame, logarithms = np.eye(10), np.zeros(10)
    for _ in range(4000):
        frame, triangle = np.linalg.qr(generator.standard_normal((10, 10)) @ frame)
        logarithms += np.log(np.abs(np.diag(triangle)))
    exponents = logarithms / 4000 / np.log(10)
    assert exponents[0] - exponents[-1] == pytest.approx(condition_decades_per_factor(10), abs=0.03)


def test_condition_growth_is_summarised_drawn_and_judged(growth, tmp_path):
    summary, verdicts = show_and_judge("condition_growth", growth, tmp_path)
    assert list(summary["N"]) == [10]
    assert list(verdicts["verdict"]) == ["reproduced"]
    figure = show.plot(growth)
    assert len(figure.axes[0].lines) == 2
