"""One small table for the tests of measuring and of showing."""

import pytest

from repro.experiments.product_analogy.measure import measure
from repro.experiments.product_analogy.settings import Settings


@pytest.fixture(scope="session")
def table():
    return measure(Settings(width=60, draws=4, depths=[1, 2, 4, 8, 16, 24]))
