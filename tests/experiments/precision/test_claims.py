"""Equal outcomes in two precisions, from made-up accuracies."""

import numpy as np
import pandas as pd
import pytest

from tests.experiments.tables import show_and_judge
from tests.results.outcomes_made import table


def made(change: float, noise: float, seeds: int = 5) -> pd.DataFrame:
    finals = {("batch", "float32"): 0.5, ("batch", "bfloat16"): 0.5 + change / 100}
    found = table("precision", finals, seeds)
    jitter = noise / 100 * np.sin(1 + np.arange(len(found)))
    return found.assign(
        test_accuracy=found["test_accuracy"] + jitter, train_accuracy=found["train_accuracy"] + jitter / 10
    )


@pytest.mark.parametrize(
    ("change", "noise", "seeds", "verdict"),
    [
        (0.1, 0.5, 5, "reproduced"),
        (4.0, 0.5, 5, "not reproduced"),
        (0.1, 8.0, 5, "undecided"),
        (0.1, 0.5, 2, "undecided"),
    ],
)
def test_verdicts(change: float, noise: float, seeds: int, verdict: str, tmp_path):
    summary, cards = show_and_judge("precision", made(change, noise, seeds), tmp_path)
    assert len(summary) == 2
    assert cards["verdict"].tolist() == [verdict]
