"""One small table for the tests of measuring and of showing."""

import pytest

from repro.experiments.product_spectra.measure import measure
from repro.experiments.product_spectra.settings import Settings


@pytest.fixture(scope="session")
def spectra():
    return measure(Settings(size=200, draws=4))
