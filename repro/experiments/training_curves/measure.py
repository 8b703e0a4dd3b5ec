"""What Figure 1 needs of the trainings that it compares: their histories, as they are."""

import pandas as pd

from repro.experiments.training_curves.settings import COLUMNS, Settings


def measure(history: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The histories of all recipes, one row per recipe, seed and epoch."""
    return history[list(COLUMNS)]
