import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.instruments.effective_rank import effective_rank


def test_known_values():
    assert effective_rank([5.0, 5.0, 5.0, 5.0]) == pytest.approx(4)
    assert effective_rank([3.0, 0.0, 0.0]) == pytest.approx(1)
    assert effective_rank([3.0, 1.0]) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))
    assert effective_rank(np.ones((3, 2))) == pytest.approx(6)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20), st.floats(1e-5, 1e5))
def test_lies_between_one_and_their_number_whatever_the_scale(values: list[float], scale: float):
    rank = effective_rank(values)
    if sum(values) == 0 or not math.isfinite(sum(values)):
        assert math.isnan(rank)
    else:
        assert 1 - 1e-9 <= rank <= len(values) + 1e-9
        scaled = [scale * value for value in values]
        if 1e-290 < sum(scaled) < 1e307 and sum(values) > 1e-290:
            assert effective_rank(scaled) == pytest.approx(rank, rel=1e-6)


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, math.nan], [1.0, math.inf]])
def test_without_a_scale_there_is_no_rank(values):
    assert math.isnan(effective_rank(values))


def test_rounding_below_zero_counts_as_zero():
    assert effective_rank([1.0, -1e-17]) == 1.0
