import hashlib

import numpy as np
import pytest

from repro.results import looks, style
from repro.settings.types import kinds


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

    values = sorted(luminance(looks.NORMALISATIONS[kind].colour) for kind in ("batch", "none"))
    assert values[1] - values[0] > 0.05


def test_every_normalisation_and_initialisation_has_a_name_and_a_colour_of_its_own():
    assert set(looks.NORMALISATIONS) >= set(kinds("normalisation"))
    assert set(looks.INITIALISATIONS) == set(kinds("initialisation"))
    for table in (looks.NORMALISATIONS, looks.INITIALISATIONS):
        assert (
            len({look.name for look in table.values()}) == len({look.colour for look in table.values()}) == len(table)
        )


def test_what_has_no_look_is_called_by_its_own_name():
    assert looks.normalisation("layer-final") == looks.Look("layer-final", "#777777")
    assert looks.initialisation("mine") == looks.Look("mine", "#777777")
    assert looks.normalisation("batch") is looks.NORMALISATIONS["batch"]


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [
        (1, 4, [[0]]),
        (2, 4, [[0, 1]]),
        (3, 2, [[0, 1], [2, "."]]),
        (4, 4, [[0, 1, 2, 3]]),
        (6, 4, [[0, 1, 2, 3], [4, 5, ".", "."]]),
    ],
)
def test_panels_are_wrapped_into_rows_of_one_length(count, columns, expected):
    assert style.wrapped(range(count), columns) == expected


def test_what_is_left_of_a_row_can_be_one_panel():
    _, axes = style.mosaic(style.wrapped(["a", "b", "c", "d"], columns=3, rest="d"))
    assert sorted(axes) == ["a", "b", "c", "d"]
    assert axes["d"].get_position().width > 2 * axes["a"].get_position().width
