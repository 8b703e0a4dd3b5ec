"""Table 1, typeset: whether the summands of a kernel's gradient cancel or all push the same way."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.networks.layers import PAPER_DEPTH
from repro.results import style
from repro.results.cases import Case, cases
from repro.results.colours import PURPLE

# Recalled from the paper, not confirmed.
PUBLISHED = {
    ("batch", 18): {"a": 7.5e-5, "b": 3.0e-7, "a/b": 251.8},
    ("batch", 54): {"a": 1.9e-5, "b": 1.7e-7, "a/b": 112.8},
    ("batch", 90): {"a": 6.6e-6, "b": 1.6e-7, "a/b": 40.7},
    ("none", 18): {"a": 6.3e-5, "b": 3.6e-5, "a/b": 1.7},
    ("none", 54): {"a": 2.2e-4, "b": 8.4e-5, "a/b": 2.6},
    ("none", 90): {"a": 2.6e-4, "b": 1.2e-4, "a/b": 2.1},
}
QUANTITIES = {"a": "a", "b": "b", "ratio": "a/b"}  # columns, and what they are called


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles over seeds beside the paper's values, which are recalled."""
    rows = []
    for case in cases(table):
        for (depth, layer), chosen in case.rows(table).groupby(["depth", "layer"]):
            is_papers = case.after == 0 and depth == PAPER_DEPTH
            published = PUBLISHED.get((case.normalisation, layer), {}) if is_papers else {}
            for column, quantity in QUANTITIES.items():
                low, middle, high = chosen[column].quantile([0.25, 0.5, 0.75])
                values = (middle, low, high, published.get(quantity, np.nan))
                rows.append((case.recipe, case.after, layer, quantity, *values))
    columns = ["recipe", "after", "layer", "quantity", "median", "lower quartile", "upper quartile"]
    return pd.DataFrame(rows, columns=[*columns, "published (recalled; ResNet-110, CIFAR-10)"])


# Two cases stand side by side. For each: the ends of its rule, and the middles of its columns.
SIDES: tuple[tuple[tuple[float, float], dict[str, float]], ...] = (
    ((2.1, 5.9), {"a": 2.75, "b": 4.1, "a/b": 5.4}),
    ((6.3, 10.0), {"a": 6.95, "b": 8.3, "a/b": 9.5}),
)
HEAD, LINE = 2.1, 3.1  # heights of a table's head and of a layer's lines; a table is 10 wide
SMALL: dict[str, Any] = {"fontsize": 7, "va": "center", "color": "0.35"}


def plot(table: pd.DataFrame) -> Figure:
    """Table 1, typeset: medians over seeds, quartiles, and the published values, recalled, below each other.

    Two cases side by side, further pairs below.
    """
    found = cases(table)
    pairs = [found[start : start + 2] for start in range(0, len(found), 2)]
    parts = [pd.concat([case.rows(table) for case in pair]) for pair in pairs]
    heights = [0.8 + 0.66 * part["layer"].nunique() for part in parts]  # inches
    figure, axes = style.panels(len(pairs), 1, width=6.8, height=sum(heights), height_ratios=heights)
    for axis, pair, part in zip(axes[:, 0], pairs, parts, strict=True):
        _typeset(axis, pair, part)
    return figure


def _typeset(axis: Axes, pair: list[Case], table: pd.DataFrame) -> None:
    """The table of one or two cases."""
    layers = sorted(table["layer"].unique())
    bottom = HEAD + 0.1 + LINE * len(layers)
    axis.set(xlim=(0, 10), ylim=(bottom, 0))
    axis.axis("off")
    for height, width in ((0.0, 1.2), (HEAD, 0.7), (bottom, 1.2)):
        axis.plot([0, 10], [height, height], color="black", lw=width, clip_on=False)
    axis.text(0.05, 1.6, "layer", va="center")
    for case, ((left, right), places) in zip(pair, SIDES, strict=False):
        axis.text((left + right) / 2, 0.55, case.label, ha="center", va="center")
        axis.plot([left, right], [1.05, 1.05], color="black", lw=0.5)
        for quantity, place in places.items():
            axis.text(place, 1.6, f"${quantity}$", ha="center", va="center")
    summary = summarise(table).set_index(["recipe", "after", "layer", "quantity"]).sort_index()
    for number, layer in enumerate(layers):
        height = HEAD + 0.65 + LINE * number
        axis.text(0.05, height, f"{layer}", va="center")
        axis.text(0.6, height, f"median of {table['seed'].nunique()} seeds", **SMALL)
        axis.text(0.6, height + 0.85, "quartiles", **SMALL)
        if summary.xs(layer, level="layer").iloc[:, -1].notna().any():
            axis.text(0.6, height + 1.65, "published (recalled)", **SMALL | {"color": PURPLE})
        for case, (_, places) in zip(pair, SIDES, strict=False):
            if (case.recipe, case.after, layer) in summary.index.droplevel("quantity"):  # depths have other layers
                _values(axis, summary.loc[case.recipe, case.after, layer], places, height)


def _values(axis: Axes, rows: pd.DataFrame, places: dict[str, float], height: float) -> None:
    """One layer of one case, from `height` downwards; `rows` by quantity, `places` of the quantities' columns."""
    for quantity, place in places.items():
        middle, low, high, published = rows.loc[quantity]
        axis.text(place, height, _number(middle, quantity), ha="center", va="center")
        axis.text(place, height + 0.85, _range(low, high, quantity), ha="center", **SMALL)
        if np.isfinite(published):
            text = _number(published, quantity)
            axis.text(place, height + 1.65, text, ha="center", **SMALL | {"color": PURPLE})


def _number(value: float, quantity: str) -> str:
    if not np.isfinite(value):
        return "not finite"
    if quantity == "a/b":
        return f"{value:.1f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"${mantissa} \cdot 10^{{{int(exponent)}}}$"


def _range(low: float, high: float, quantity: str) -> str:
    if quantity == "a/b" or not np.isfinite([low, high]).all():
        return f"{_number(low, quantity)} – {_number(high, quantity)}"
    exponent = int(f"{low:e}".split("e")[1])
    return rf"{low / 10.0**exponent:.1f} – ${high / 10.0**exponent:.1f} \cdot 10^{{{exponent}}}$"
