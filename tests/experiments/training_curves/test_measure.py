import pandas as pd

from repro.experiments.training_curves.measure import measure
from repro.experiments.training_curves.settings import COLUMNS, Settings
from repro.settings.recipe import Recipe, vary
from tests.experiments.training_curves.test_show import history


def test_the_table_is_the_histories():
    written = pd.concat([history("batch-0.1", 0.9), history("none-0.1", None)], ignore_index=True)
    pd.testing.assert_frame_equal(measure(written[sorted(COLUMNS)], Settings()), written)


def test_by_default_the_paper_s_four_curves_are_trained():
    found = [vary(Recipe(), variation) for variation in Settings().recipes]
    assert [(each.normalisation_label, each.learning_rate, each.epochs) for each in found] == [
        ("batch", 0.1, 165),
        ("batch", 0.003, 1320),
        ("batch", 0.0001, 2400),
        ("none", 0.0001, 2400),
    ]
    assert {each.depth for each in found} == {110}
