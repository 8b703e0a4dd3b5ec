"""Faults of the disk: every call that fails, every byte that flips, every file that is cut short.

`docs/faults.md` lists the faults and where each is tested.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from repro.images import loading
from repro.machine.errors import UserError
from repro.results import style, tables
from repro.settings.experiment import whole
from repro.settings.recipe import Images
from repro.training import checkpoints
from tests.images.made import image_folder

NO_SPACE = OSError(28, "No space left on device")


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """The `number`-th write to, fsync or rename of a file fails as on a full disk; returns a counter of such calls."""
    count = 0

    def failing(function: Callable) -> Callable:
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                raise NO_SPACE
            return function(*arguments, **options)

        return call

    class Opened:
        """A file opened for writing whose writes may fail."""

        def __init__(self, file: IO) -> None:
            self.file, self.write = file, failing(file.write)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def __enter__(self) -> "Opened":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

    def opened(path: Path, mode: str = "r", **options) -> object:
        file = open(path, mode, **options)  # noqa: SIM115 - handed on
        return Opened(file) if "w" in mode else file

    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    monkeypatch.setattr(Path, "open", opened)
    return lambda: count


def checkpoint(folder: Path, number: int) -> None:
    checkpoints.save(folder / "a.pt", {"weights": torch.full((9,), float(number))})


def checkpoint_content(folder: Path) -> float:
    state = checkpoints.load(folder / "a.pt")
    assert state is not None
    return float(state["weights"][0])


def table(folder: Path, number: int) -> None:
    tables.write(folder / "a.csv", pd.DataFrame({"x": [number] * 5}), {"x": whole("a number")}, {"number": number})


def table_content(folder: Path) -> float:
    found, provenance = tables.read(folder / "a.csv")
    assert (found["x"] == provenance["number"]).all()
    return float(found["x"].iloc[0])


def figure(folder: Path, number: int) -> None:
    drawing, axis = plt.subplots()
    axis.plot([0, number])
    style.save(drawing, folder, "a", "source")


def figure_content(folder: Path) -> float:
    for suffix in style.FORMATS:
        assert len((folder / f"a.{suffix}").read_bytes()) > 1000
    return np.nan


def sentence(act: Callable[[], object]) -> str | None:
    """What the `UserError` that `act` raises says, or None when it raises none."""
    try:
        act()
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("write", "content"), [(checkpoint, checkpoint_content), (table, table_content), (figure, figure_content)]
)
def test_whichever_call_fails_old_or_new_is_there(tmp_path, monkeypatch, record_property, write, content):
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        write(folder, 1)
        with monkeypatch.context() as patch:
            count = fail_at(patch, number)
            said = sentence(lambda folder=folder: write(folder, 2))
            plt.close("all")
        if said is None:
            assert count() < number  # every call of a whole write has had its turn
            break
        assert "No space left on device" in said
        refused = sentence(lambda folder=folder: content(folder))
        if refused is None:
            assert content(folder) in (1, 2) or write is figure
        else:
            # A table is written before its companion: in between it is refused, never misread.
            assert write is table
            assert "checksum differs" in refused
        assert not [file.name for file in folder.iterdir() if file.name.endswith(".tmp")]
        write(folder, 3)
        assert content(folder) == 3 or write is figure
    assert number > 3
    record_property("failed disk calls survived", number - 1)


def test_images_with_a_flipped_byte_or_cut_short_are_never_used(tmp_path, capsys, record_property):
    settings = Images(source="image_folder", folder=str(image_folder(tmp_path / "images")))
    first = loading.load(settings)
    (kept,) = (tmp_path / "images" / "prepared").iterdir()
    sound = kept.read_bytes()
    generator = np.random.default_rng(0)
    places = generator.integers(0, len(sound), 200)
    damaged = [sound[:place] + bytes([sound[place] ^ (1 << place % 8)]) + sound[place + 1 :] for place in places]
    damaged += [sound[: int(share * len(sound))] for share in (0.1, 0.5, 0.999)]
    noticed = []
    for content in damaged:
        kept.write_bytes(content)
        found = loading.load(settings)
        assert found.checksum == first.checksum
        assert torch.equal(found.train_images, first.train_images)
        assert torch.equal(found.test_labels, first.test_labels)
        noticed.append("is damaged" in capsys.readouterr().err)
    # The rest hit bytes that carry nothing, such as a member's time of day.
    assert sum(noticed[:200]) > 150
    assert all(noticed[200:])
    record_property("flipped bytes found", sum(noticed[:200]))
    record_property("cut files found", len(noticed[200:]))
