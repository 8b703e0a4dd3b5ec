"""How figures look: one consistent, colour-blind safe style, and files that are equal byte for byte when redrawn."""

import hashlib
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from repro.machine.files import write_atomically
from repro.results.colours import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW

FORMATS = ("pdf", "svg", "png")
MARGIN = 0.1  # inches around a figure


# seaborn's style "ticks" in its context "paper", written out: importing seaborn takes longer than drawing a figure.
DARK = ".15"
SEABORN: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": DARK,
    "axes.labelcolor": DARK,
    "axes.linewidth": 1.0,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "grid.color": ".8",
    "legend.title_fontsize": 9.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "text.color": DARK,
    "xtick.color": DARK,
    "xtick.major.size": 4.8,
    "xtick.major.width": 1.0,
    "xtick.minor.size": 3.2,
    "xtick.minor.width": 0.8,
    "ytick.color": DARK,
    "ytick.major.size": 4.8,
    "ytick.major.width": 1.0,
    "ytick.minor.size": 3.2,
    "ytick.minor.width": 0.8,
}
OURS: dict[str, Any] = {
    "axes.prop_cycle": cycler("color", [BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW]),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "understanding-batch-normalization",
}


def apply() -> None:
    """Set matplotlib to the package's style."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the dates inside matplotlib's own font
    looks: Any = SEABORN | OURS  # matplotlib's own type names each of its 300 settings
    plt.rcParams.update(looks)


def sequence(count: int) -> list[tuple[float, float, float]]:
    """Colours for ordered curves, dark to light, told apart with any colour vision."""
    red, green, blue, _ = plt.get_cmap("viridis")(np.linspace(0, 1, count + 2)[1:-1]).T
    return list(zip(red.tolist(), green.tolist(), blue.tolist(), strict=True))


def shades(colour: str, count: int) -> list[str]:
    """The colour itself for one curve; for several, shades of it from dark to light."""
    if count == 1:
        return [colour]
    import seaborn as sns  # takes longer to import than drawing a figure, and most have one curve of a kind

    return list(sns.light_palette(colour, count + 2, reverse=True).as_hex())[:count]


def panels(rows: int, columns: int, width: float = 6.8, height: float = 2.8, **options: Any) -> tuple[Figure, Any]:
    """A figure of `rows` x `columns` axes, always a 2-d array; width and height in inches."""
    apply()
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)


def mosaic(layout: list[list[Any]], width: float = 6.8, height: float = 2.8, **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes by their names in `layout`, rows of names; neighbours of one name are one, "." is empty."""
    apply()
    return plt.subplot_mosaic(layout, figsize=(width, height), **options)


def wrapped(names: Iterable[Any], columns: int = 4, rest: str = ".") -> list[list[Any]]:
    """Rows of a mosaic: `names` in order, at most `columns` a row; what is left of the last row is called `rest`."""
    cells = list(names)
    columns = min(columns, len(cells))
    cells += [rest] * (-len(cells) % columns)
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def save(figure: Figure, folder: Path, item: str, source: str) -> dict[str, str]:
    """Write a figure as PDF, SVG and PNG with its source in small print below and in the files, and close it.

    Returns the SHA-256 of each file by its name.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is found; finding it again for each format takes most of the time
    drawn = figure.get_tightbbox()  # inches
    below = drawn.y0 / figure.get_figheight() - 0.01
    text = figure.text(0.5, below, source, ha="center", va="top", fontsize=6, color="0.4")
    extent = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    if extent.width > 0.9 * drawn.width and "; " in source:
        # In two lines: the finer the picture, the wider such small print is drawn, so that its ends would be cut off.
        parts = source.split("; ")
        first = min(range(1, len(parts)), key=lambda count: abs(len("; ".join(parts[:count])) - len(source) / 2))
        text.set_text("; ".join(parts[:first]) + ";\n" + "; ".join(parts[first:]))
        extent = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    # Found once: left to itself matplotlib draws everything twice for each format to find it.
    page = Bbox.union([drawn, extent]).padded(MARGIN)
    checksums = {}
    for suffix in FORMATS:
        buffer = io.BytesIO()
        # Without dates the same table gives the same bytes.
        metadata = {
            "pdf": {"CreationDate": None, "Subject": source},
            "svg": {"Date": None, "Description": source},
            "png": {"Description": source},
        }[suffix]
        figure.savefig(buffer, format=suffix, metadata=metadata, bbox_inches=page)
        write_atomically(folder / f"{item}.{suffix}", buffer.getvalue())
        checksums[f"{item}.{suffix}"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    plt.close(figure)
    return checksums
