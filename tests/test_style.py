import hashlib
from typing import get_args

import numpy as np

from repro import config, style


def draw():
    figure, axes = style.panels(1, 2)
    axes[0, 0].plot(np.arange(5), np.arange(5) ** 2, label="squares")
    axes[0, 0].legend()
    axes[0, 1].imshow(np.eye(3))
    return figure


def test_a_figure_is_written_in_every_format_and_redrawn_byte_for_byte(tmp_path):
    checksums = [style.save(draw(), tmp_path / folder, "fig0", "made of this") for folder in ("first", "second")]
    assert checksums[0] == checksums[1]
    for name, checksum in checksums[0].items():
        content = (tmp_path / "first" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert b"made of this" in content  # also where a reader of the file's properties looks
    assert set(checksums[0]) == {f"fig0.{suffix}" for suffix in style.FORMATS}
    for suffix in style.FORMATS:
        first, second = (tmp_path / folder / f"fig0.{suffix}" for folder in ("first", "second"))
        assert len(first.read_bytes()) > 1000
        assert first.read_bytes() == second.read_bytes(), suffix


def test_normalisations_are_told_apart_without_colour_vision():
    # Luminance of the colours, as a black-and-white print shows them.
    def luminance(colour: str) -> float:
        red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    values = sorted(luminance(style.COLOURS[normalisation]) for normalisation in ("batch", "none"))
    assert values[1] - values[0] > 0.05


def test_every_normalisation_and_initialisation_has_a_name_and_a_colour():
    assert style.COLOURS.keys() == style.NAMES.keys() == set(get_args(config.Normalisation))
    assert style.INITIALISATION_COLOURS.keys() == style.INITIALISATION_NAMES.keys()
    assert set(style.INITIALISATION_NAMES) == set(get_args(config.Initialisation))
