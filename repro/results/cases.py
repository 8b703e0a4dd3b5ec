"""The cases that a table of networks compares: one recipe at one moment of its training each."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from repro.results import looks, style


@dataclass(frozen=True)
class Case:
    """One recipe at one moment: a curve or a panel of a comparison."""

    recipe: str
    normalisation: str
    after: float  # share of the training cycle
    label: str
    colour: str
    line: str  # matplotlib's style of its lines

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are about this case."""
        return table[(table["recipe"] == self.recipe) & (table["after"] == self.after)]


LINES = ("-", "--", "-.", ":")


def moment(after: float) -> str:
    """A share of the training cycle in words."""
    return "untrained" if after == 0 else "trained" if after == 1 else f"after {100 * after:g} %"


def called(table: pd.DataFrame) -> dict[str, str]:
    """What figures call each recipe: by its normalisation where that tells it from the others, else by its name."""
    kinds = table.drop_duplicates("recipe").set_index("recipe")["normalisation"]
    alone = ~kinds.duplicated(keep=False)
    return {recipe: looks.normalisation(kind).name if alone[recipe] else recipe for recipe, kind in kinds.items()}


def cases(table: pd.DataFrame) -> list[Case]:
    """The cases of a table, in the order of their first rows, told apart by label, colour and line.

    A label is what the recipe is `called`, and the moment where there are several. Cases of one normalisation are
    shades of its colour.
    """
    found = table[["recipe", "normalisation", "after"]].drop_duplicates(ignore_index=True)
    names = called(found)
    several_moments = found["after"].nunique() > 1
    result = {}
    for kind, group in found.groupby("normalisation", sort=False):
        look = looks.normalisation(str(kind))
        shades = style.shades(look.colour, len(group))
        for number, (place, row) in enumerate(group.iterrows()):
            name = names[row["recipe"]]
            label = f"{name}, {moment(row['after'])}" if several_moments else name
            line = LINES[number % len(LINES)]
            result[place] = Case(row["recipe"], str(kind), float(row["after"]), label, shades[number], line)
    return [result[place] for place in found.index]


def spreads(values: pd.DataFrame, quantities: Mapping[str, str], lost: str) -> pd.DataFrame:
    """Per case and quantity the distribution over seeds: extremes, quartiles, median, and how many have no value.

    `values` has one row per network, with the columns of `cases` and `quantities`, which maps columns to their meaning;
    `lost` is what the count of missing values is called.
    """
    rows = []
    for case in cases(values):
        for name, meaning in quantities.items():
            chosen = case.rows(values)[name]
            spread = chosen.quantile([0, 0.25, 0.5, 0.75, 1]).tolist()
            rows.append((case.recipe, case.after, meaning, *spread, int(chosen.isna().sum())))
    levels = ["minimum", "lower quartile", "median", "upper quartile", "maximum"]
    return pd.DataFrame(rows, columns=["recipe", "after", "quantity", *levels, lost])
