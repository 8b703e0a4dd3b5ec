"""Convolutions as linear maps: figure and numbers; the paper claims nothing of them."""

import pandas as pd
from matplotlib.figure import Figure

from repro.results import looks, style
from repro.results.cases import LINES
from repro.results.initialisations import by_initialisation

# Points in place of lines, because layers of different shapes follow each other.
MARKERS = dict(zip(LINES, "oxs^", strict=True))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians, smallest and largest values over the layers of one shape, and over seeds; the paper has no numbers."""
    rows = []
    for case in by_initialisation(table):
        shapes = case.rows(table).groupby(["channels_in", "channels_out", "side", "stride"], sort=False)
        for (inside, outside, side, stride), group in shapes:
            cells = {
                name: f"{group[name].median():.3g} ({group[name].min():.3g} to {group[name].max():.3g})"
                for name in ("norm", "smallest", "condition")
            }
            share = group["effective_rank"] / group["dimension"]
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "initialisation": looks.initialisation(group["initialisation"].iloc[0]).name,
                    "convolution": f"{inside} to {outside} channels, {side} x {side}" + (", stride 2" * (stride == 2)),
                    "layers": group["layer"].nunique(),
                    **cells,
                    "effective rank / dimension": share.median(),
                }
            )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Norm, condition number and effective rank against the layer, by initialisation; median over seeds."""
    figure, axes = style.panels(1, 3, width=9.0)
    shown = table.assign(rank_share=table["effective_rank"] / table["dimension"])
    labels = {"norm": "norm", "condition": "condition number", "rank_share": "effective rank / dimension"}
    for axis, (column, label) in zip(axes[0], labels.items(), strict=True):
        for case in by_initialisation(shown):
            medians = case.rows(shown).groupby("layer")[column].median()
            axis.plot(medians.index, medians, MARKERS[case.line], ms=2.2, color=case.colour, label=case.label)
        axis.set(xlabel="layer", ylabel=label)
    axes[0, 1].set_yscale("log")
    axes[0, 0].margins(y=0.15)  # the first layer's norm is far above the others
    axes[0, 0].set_ylim(0, None)
    axes[0, 2].set_ylim(0, 1)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, markerscale=2)
    return figure
