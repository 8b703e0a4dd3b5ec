"""What the study of training speed needs of trainings: their histories, as they are."""

import pandas as pd

from repro.experiments.speed.settings import COLUMNS, Settings


def measure(history: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The histories of all recipes, one row per recipe, seed and epoch."""
    return history[list(COLUMNS)]
