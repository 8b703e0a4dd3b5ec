"""Spectra whose ranks are known, for the tests of showing and of claims."""

import pandas as pd

from repro.experiments.jacobian_spectra.settings import COLUMNS
from tests.experiments.tables import keyed

# layer -> rank; the states have 100 directions, the logits, in the last layer, 10
WITHOUT = {1: 90, 3: 40, 7: 10, 8: 1}
WITH = {1: 90, 3: 80, 7: 80, 8: 8}


def flat(
    ranks: dict[int, float], growth: float, initialisation: str = "xavier_normal", scale: float = 1.0, **keys
) -> pd.DataFrame:
    """A table of flat spectra of one network: `ranks` values alike and the others zero, scaled with the layer."""
    rows = []
    depth = max(ranks)
    for layer, rank in ranks.items():
        dimension = 10 if layer == depth else 100
        size = scale * 10 ** (growth * layer)
        for probe in (0, 1):
            for value, weight in ((size, rank / dimension), (0.0, 1 - rank / dimension)):
                rows.append((initialisation, layer, 0.0, dimension, probe, value, weight, 0.0))
    return keyed(pd.DataFrame(rows, columns=list(COLUMNS)), **keys)
