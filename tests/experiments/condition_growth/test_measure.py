"""Extreme singular values of long products: against direct decompositions."""

import numpy as np
import pytest

from repro.experiments.condition_growth.measure import measure
from repro.experiments.condition_growth.settings import COLUMNS, Settings
from repro.machine.errors import UserError
from repro.random_matrices import gaussian_factors, product_singular_values


def test_condition_numbers_agree_with_a_direct_decomposition(growth):
    assert list(growth.columns) == list(COLUMNS)
    for factors in (1, 2):
        rows = growth[growth["factors"] == factors]
        assert len(rows) == 20
        np.testing.assert_allclose(rows["log10_condition"], rows["log10_largest"] - rows["log10_smallest"])
        # An independent draw of the same ensemble, decomposed after forming the product: medians within a factor 3.
        conditions = []
        for seed in range(200):
            drawn = gaussian_factors([10] * (factors + 1), seed=seed)
            conditions.append(np.log10(np.linalg.cond(np.linalg.multi_dot([np.eye(10), *drawn]))))
            if seed < 3:
                values = product_singular_values(drawn)
                assert np.log10(values[0] / values[-1]) == pytest.approx(conditions[-1], rel=1e-6)
        assert rows["log10_condition"].median() == pytest.approx(np.median(conditions), abs=0.5)
    # Beyond 1e16 a formed product's condition number is noise; here it goes on growing.
    assert growth.loc[growth["factors"] == 64, "log10_condition"].median() > 30


def test_products_beyond_double_precision_are_refused():
    with pytest.raises(UserError, match=r"experiments\.condition_growth: for size 20, .*; choose smaller factors"):
        measure(Settings(sizes=[20], factors=[16, 500], draws=2))
