"""The cases of a table whose recipes are compared by their initialisation."""

import dataclasses

import pandas as pd

from repro.results import looks, style
from repro.results.cases import LINES, Case, cases, moment


def by_initialisation(table: pd.DataFrame) -> list[Case]:
    """`cases` of a table with a column `initialisation`, which gives the colour; the normalisation gives the line.

    Cases that share both are shades of the colour. A label names the initialisation, and where there are several the
    normalisation and the moment; a recipe that this does not tell from others goes by its own name.
    """
    kinds = table.drop_duplicates("recipe").set_index("recipe")["initialisation"]
    normalisations = list(table["normalisation"].unique())
    several_moments = table["after"].nunique() > 1
    found = cases(table)
    result = []
    for case in found:
        look = looks.initialisation(kinds[case.recipe])
        alike = [
            other
            for other in found
            if (kinds[other.recipe], other.normalisation) == (kinds[case.recipe], case.normalisation)
        ]
        shades = style.shades(look.colour, len(alike))
        words = [look.name]
        if len(normalisations) > 1:
            words.append(looks.normalisation(case.normalisation).name)
        if len({other.recipe for other in alike}) > 1:
            words = [case.recipe]
        if several_moments:
            words.append(moment(case.after))
        line = LINES[normalisations.index(case.normalisation) % len(LINES)]
        label, colour = ", ".join(words), shades[alike.index(case)]
        result.append(dataclasses.replace(case, label=label, colour=colour, line=line))
    return result
