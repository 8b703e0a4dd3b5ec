import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from repro.images import archive as archives
from repro.images.loading import load
from repro.machine.errors import UserError
from repro.settings.recipe import Images
from tests.images.made import batch_pickle, md5, names_pickle, write_archive

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "config" / "lossless-subset.npz"


def write_positions(path, train, test):
    np.savez_compressed(path, train_index=np.array(train, np.uint16), test_index=np.array(test, np.uint16))
    return str(path)


def test_positions_pick_images_in_their_order(tmp_path, archive):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive))
    everything = load(settings)
    file = write_positions(tmp_path / "positions.npz", [99, 3, 40], [7, 0])
    chosen = load(settings.model_copy(update={"positions": file}))
    assert torch.equal(chosen.train_images, everything.train_images[[99, 3, 40]])
    assert torch.equal(chosen.train_labels, everything.train_labels[[99, 3, 40]])
    assert torch.equal(chosen.test_images, everything.test_images[[7, 0]])
    assert torch.equal(chosen.test_labels, everything.test_labels[[7, 0]])
    assert chosen.class_names == everything.class_names
    assert load(settings).checksum == everything.checksum != chosen.checksum


def test_subsets_are_drawn_from_the_images_at_the_positions(tmp_path, archive):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive))
    everything = load(settings)
    train = [position for position in range(99, -1, -1) if position % 20 < 10]  # 5 of each class
    file = write_positions(tmp_path / "positions.npz", train, range(10))
    chosen = load(settings.model_copy(update={"positions": file, "train_images": 20}))
    assert torch.bincount(chosen.train_labels).tolist() == [2] * 10
    pixels = [image.numpy().tobytes() for image in everything.train_images[train]]
    places = [pixels.index(image.numpy().tobytes()) for image in chosen.train_images]
    assert places == sorted(set(places))
    with pytest.raises(UserError, match=r"images\.train_images is 60.*only 5 of.*at most 50"):
        load(settings.model_copy(update={"positions": file, "train_images": 60}))


def test_kept_images_follow_the_positions(tmp_path, archive, monkeypatch):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive), positions=str(tmp_path / "positions.npz"))
    write_positions(settings.positions, [1, 2], [3])
    first = load(settings)
    write_positions(settings.positions, [2, 1], [3])
    assert torch.equal(load(settings).train_images, first.train_images.flip(0))
    write_positions(settings.positions, [1, 2], [3])
    monkeypatch.setattr(archives, "_decode", None)
    assert load(settings).checksum == first.checksum


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"train_index": [0, 1, 100], "test_index": [0]}, r"train_index of .* has the position 100.* 0 to 99"),
        ({"train_index": [0], "test_index": [19, 20]}, r"test_index of .* has the position 20.* 0 to 19"),
        ({"train_index": [0, -1], "test_index": [0]}, r"train_index of .* has the position -1.* 0 to 99"),
        ({"train_index": np.array([2**64 - 1], np.uint64), "test_index": [0]}, r"position 18446744073709551615"),
        ({"train_index": [5, 7, 5], "test_index": [0]}, r"train_index of .* lists 5 2 times"),
        ({"train_index": [5], "test_index": [3, 3, 3]}, r"test_index of .* lists 3 3 times"),
        ({"train_index": [0.0, 1.0], "test_index": [0]}, r"train_index of .* is no list of whole numbers"),
        ({"train_index": [True, False], "test_index": [0]}, r"train_index of .* is no list of whole numbers"),
        ({"train_index": [[0, 1]], "test_index": [0]}, r"train_index of .* is no list of whole numbers"),
        ({"train_index": [0], "test_index": 7}, r"test_index of .* is no list of whole numbers"),
        ({"train_index": [0], "test_index": np.zeros(0, int)}, r"test_index of .* is no list of whole numbers"),
        ({"train_index": [0]}, r"no \.npz file with arrays train_index and test_index"),
        ({"train_index": [0], "test_index": [None]}, r"no \.npz file with arrays"),
    ],
)
def test_positions_that_cannot_be_used(tmp_path, archive, arrays, said):
    file = tmp_path / "positions.npz"
    np.savez(file, **{name: np.array(values) for name, values in arrays.items()})
    with pytest.raises(UserError, match=rf"^images\.positions: .*{said}.*remove images\.positions") as caught:
        load(Images(folder=str(tmp_path / "data"), archive=str(archive), positions=str(file)))
    assert str(file) in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_files_that_are_no_positions(tmp_path, archive):
    file = tmp_path / "positions.npz"
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive), positions=str(file))
    with pytest.raises(UserError, match=r"images\.positions: .*positions\.npz cannot be read \(No such file"):
        load(settings)
    np.save(tmp_path / "one.npy", np.arange(3))
    write_positions(file, range(50), range(10))
    for content in (b"", b"nonsense", file.read_bytes()[:200], (tmp_path / "one.npy").read_bytes()):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"images\.positions: .*cannot be read \(it is no \.npz file"):
            load(settings)


# The shipped tables were measured on image folders, and state their checksum: positions must give the same.


def write_folder(folder, data, train, test):
    """The images at these positions as PNG files, one folder for each class, named by their positions."""
    for part, positions in (("train", train), ("test", test)):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        for position in positions:
            path = folder / part / data.class_names[labels[position]] / f"{position:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[position].permute(1, 2, 0).numpy()).save(path)


def class_by_class(positions, labels):
    return sorted(positions, key=lambda position: (labels[position], position))


def test_positions_class_by_class_give_the_checksum_of_an_image_folder(tmp_path, archive):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive), label="some")
    everything = load(settings)
    train = [position for position in range(100) if position % 17 % 3]
    test = [position for position in range(20) if position not in (3, 7, 12)]
    write_folder(tmp_path / "folder", everything, train, test)
    folder = load(Images(source="image_folder", folder=str(tmp_path / "folder"), label="some"))

    train, test = class_by_class(train, everything.train_labels), class_by_class(test, everything.test_labels)
    file = write_positions(tmp_path / "positions.npz", train, test)
    chosen = load(settings.model_copy(update={"positions": file}))
    assert chosen.checksum == folder.checksum
    assert (chosen.name, chosen.class_names) == (folder.name, folder.class_names)


def test_shipped_positions_are_distinct_and_small():
    with np.load(SHIPPED, allow_pickle=False) as file:
        assert sorted(file) == ["test_index", "train_index"]
        for part, count, official in (("train", 8068, 50_000), ("test", 1017, 10_000)):
            index = file[f"{part}_index"]
            assert index.dtype == np.uint16
            assert len(np.unique(index)) == len(index) == count
            assert index.max() < official
    assert SHIPPED.stat().st_size < 20_000


LOSSLESS = os.environ.get("CIFAR10_LOSSLESS_SUBSET", "")
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.mark.skipif(
    not LOSSLESS, reason="CIFAR10_LOSSLESS_SUBSET names no .npz file of original images, labels and their positions"
)
def test_shipped_positions_give_the_checksum_of_the_shipped_tables(tmp_path, monkeypatch):
    """On an archive as large as the official one that has the known originals in their places, and black elsewhere."""
    path = tmp_path / CIFAR10.filename
    with np.load(LOSSLESS, allow_pickle=False) as file:
        originals = dict(file)

    def pickles():
        yield CIFAR10.meta["filename"], names_pickle(CIFAR10, CLASSES)
        batches = [("train", number * 10_000, name) for number, (name, _) in enumerate(CIFAR10.train_list)]
        for part, first, name in [*batches, ("test", 0, CIFAR10.test_list[0][0])]:
            index = originals[f"{part}_index"]
            here = (index >= first) & (index < first + 10_000)
            pixels, labels = np.zeros((10_000, 3, 32, 32), np.uint8), np.zeros(10_000, int)
            pixels[index[here] - first] = originals[f"{part}_images"][here].transpose(0, 3, 1, 2)
            labels[index[here] - first] = originals[f"{part}_labels"][here]
            yield name, batch_pickle(CIFAR10, pixels.reshape(10_000, -1), labels)

    write_archive(path, CIFAR10, pickles(), compression=1)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    data = load(Images(folder=str(tmp_path / "data"), archive=str(path), positions=str(SHIPPED)))

    shipped = [path.read_text(encoding="utf-8") for path in (ROOT / "results" / "published").glob("*.json")]
    measured_on_these = [text for text in shipped if "CIFAR-10 (lossless subset)" in text]
    assert measured_on_these
    assert all(data.checksum in text for text in measured_on_these)
    with np.load(SHIPPED) as file:
        for part, labels in (("train", data.train_labels), ("test", data.test_labels)):
            index = file[f"{part}_index"].tolist()
            assert sorted(index) == sorted(originals[f"{part}_index"].tolist())
            assert index == class_by_class(index, dict(zip(index, labels.tolist(), strict=True)))
