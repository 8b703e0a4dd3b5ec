"""One small table for the tests of measuring and of showing."""

import pytest

from repro.experiments.condition_growth.measure import measure
from repro.experiments.condition_growth.settings import Settings


@pytest.fixture(scope="session")
def growth():
    return measure(Settings(sizes=[10], draws=20))
