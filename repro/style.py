"""How figures look: one consistent, colour-blind safe style, and files that are equal byte for byte when redrawn."""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from repro import tables

# Okabe and Ito's colours, distinguishable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = {"batch": BLUE, "none": ORANGE, "final": GREEN}
NAMES = {"batch": "with BN", "none": "without BN", "final": "one final BN"}
# None of those with and without BN.
INITIALISATION_COLOURS = {
    "xavier_normal": "#000000",
    "kaiming_normal": SKY,
    "orthogonal": YELLOW,
    "pytorch_default": PURPLE,
}
INITIALISATION_NAMES = {
    "xavier_normal": "Xavier",
    "kaiming_normal": "He",
    "orthogonal": "orthogonal",
    "pytorch_default": "PyTorch default",
}
FORMATS = ("pdf", "svg", "png")


def apply() -> None:
    """Set matplotlib to the package's style."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the dates inside matplotlib's own font
    sns.set_theme(context="paper", style="ticks", palette=[BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW])
    plt.rcParams.update(
        {
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
            "savefig.bbox": "tight",
            "pdf.fonttype": 42,
            "svg.hashsalt": "understanding-batch-normalization",
        }
    )


def sequence(count: int) -> list[tuple[float, float, float]]:
    """Colours for ordered curves, dark to light, told apart with any colour vision."""
    return list(sns.color_palette("viridis", count))


def panels(rows: int, columns: int, width: float = 6.8, height: float = 2.8, **options: Any) -> tuple[Figure, Any]:
    """A figure of `rows` x `columns` axes, always a 2-d array; width and height in inches."""
    apply()
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)


def save(figure: Figure, folder: Path, item: str, source: str) -> dict[str, str]:
    """Write a figure as PDF, SVG and PNG with its source in small print below and in the files, and close it.

    Returns the SHA-256 of each file by its name.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is found; finding it again for each format takes most of the time
    below = figure.get_tightbbox().y0 / figure.get_figheight() - 0.01
    figure.text(0.5, below, source, ha="center", va="top", fontsize=6, color="0.4")
    checksums = {}
    for suffix in FORMATS:
        buffer = io.BytesIO()
        # Without dates the same table gives the same bytes.
        metadata = {
            "pdf": {"CreationDate": None, "Subject": source},
            "svg": {"Date": None, "Description": source},
            "png": {"Description": source},
        }[suffix]
        figure.savefig(buffer, format=suffix, metadata=metadata)
        tables.write_atomically(folder / f"{item}.{suffix}", buffer.getvalue())
        checksums[f"{item}.{suffix}"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    plt.close(figure)
    return checksums
