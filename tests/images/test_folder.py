import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from repro.images.loading import load
from repro.machine.errors import UserError
from repro.settings.recipe import Images
from tests.images.made import image_folder, write_image


def test_image_folder_is_read_as_torchvision_reads_it(tmp_path):
    folder = image_folder(tmp_path / "animals", 3)
    write_image(folder / "train" / "dog" / "10.JPG", 100)
    write_image(folder / "train" / "cat" / "deeper" / "5.jpeg", 101)
    write_image(folder / "test" / "cat" / "grey.png", 102, mode="L")
    write_image(folder / "test" / "cat" / "transparent.png", 103, mode="RGBA")
    palette = Image.open(folder / "train" / "cat" / "1.png").quantize(16)
    palette.save(folder / "test" / "dog" / "palette.png", transparency=bytes(range(16)))
    (folder / "train" / "dog" / "notes.txt").write_text("no image")
    data = load(Images(source="image_folder", folder=str(folder)))
    for part, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        with contextlib.ExitStack() as stack:
            if part == "test":  # torchvision does not mind the transparency
                stack.enter_context(pytest.warns(UserWarning, match="Transparency"))
            expected = list(ImageFolder(str(folder / part)))
        assert [label for _, label in expected] == labels.tolist()
        for (image, _), ours in zip(expected, images, strict=True):
            assert np.array_equal(np.asarray(image), ours.permute(1, 2, 0).numpy())
    assert data.class_names == ("cat", "dog")
    assert data.name == "animals"
    assert load(Images(source="image_folder", folder=str(folder), label="Zoo")).name == "Zoo"


def test_hidden_files_and_folders_are_no_images(tmp_path):
    folder = image_folder(tmp_path / "images")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "dog" / "._0.png").write_text("of another operating system")
    assert len(load(Images(source="image_folder", folder=str(folder))).train_images) == 6


def remove(path):
    for child in path.iterdir():
        remove(child) if child.is_dir() else child.unlink()
    path.rmdir()


def truncate(path):
    path.write_bytes(path.read_bytes()[:60])


def write_deep(path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove, r"there is no folder .*images; an image folder holds"),
        (lambda folder: remove(folder / "train"), r"there is no folder .*images/train;"),
        (lambda folder: remove(folder / "test"), r"there is no folder .*images/test;"),
        (lambda folder: remove(folder / "test" / "dog"), r"Class dog is in .*train but not in .*test"),
        (lambda folder: remove(folder / "train" / "cat"), r"Class cat is in .*test but not in .*train"),
        (lambda folder: [remove(folder / part / "cat") for part in ("train", "test")], r"at least two class folders"),
        (
            lambda folder: [path.unlink() for path in (folder / "test" / "cat").iterdir()],
            r"test/cat holds no PNG or JPEG image",
        ),
        (
            lambda folder: write_image(folder / "test" / "dog" / "2.png", 0, (12, 12)),
            r"test/dog/2\.png has 12x12 pixels, the first image 8x8",
        ),
        (
            lambda folder: write_image(folder / "train" / "dog" / "1.png", 0, (8, 16)),
            r"train/dog/1\.png has 8x16 pixels, the first image 8x8",
        ),
        (
            lambda folder: write_image(folder / "train" / "cat" / "0.png", 0, (12, 8)),
            r"train/cat/0\.png has 12x8 pixels; images must be square",
        ),
        (
            lambda folder: write_image(folder / "train" / "cat" / "0.png", 0, (10, 10)),
            r"0\.png has 10x10 pixels; .*multiple of 4",
        ),
        (
            lambda folder: write_image(folder / "train" / "cat" / "0.png", 0, (4, 4)),
            r"0\.png has 4x4 pixels; .*at least 8",
        ),
        (lambda folder: truncate(folder / "test" / "dog" / "1.png"), r"test/dog/1\.png cannot be read \(it is damaged"),
        (
            lambda folder: (folder / "test" / "dog" / "1.png").write_bytes(b""),
            r"test/dog/1\.png cannot be read \(it is damaged",
        ),
        (lambda folder: write_deep(folder / "train" / "cat" / "0.png"), r"0\.png has more than 8 bits"),
        (
            lambda folder: os.symlink(folder / "gone", folder / "train" / "cat" / "link.png"),
            r"link\.png cannot be read \(No such file",
        ),
    ],
)
def test_bad_image_folders(tmp_path, spoil, said):
    folder = image_folder(tmp_path / "images")
    spoil(folder)
    with pytest.raises(UserError, match=said):
        load(Images(source="image_folder", folder=str(folder)))
    assert not list(Path(tmp_path).rglob("*.npz"))
