import io

import numpy as np
import pytest
import torch

from repro.images import archive as archives
from repro.images import loading, synthetic
from repro.images.loading import load
from repro.machine.errors import UserError
from repro.settings.recipe import Images
from tests.images.made import image_folder, write_image


def test_kept_images_are_used_and_a_damaged_file_is_rebuilt(tmp_path, archive, capsys, monkeypatch):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive))
    first = load(settings)
    (kept,) = (tmp_path / "data" / "prepared").iterdir()
    sound = kept.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_decode", None)
        again = load(settings)
    assert again.checksum == first.checksum
    assert torch.equal(again.train_images, first.train_images)

    with np.load(kept) as file:
        arrays = dict(file)
    arrays["test_images"][3, 1, 4, 1] ^= 1  # a sound file with other content
    altered = io.BytesIO()
    np.savez(altered, **arrays)
    middle = len(sound) // 2
    flipped = sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :]
    for damaged in (altered.getvalue(), flipped, sound[:-7], sound[: len(sound) // 2], b"", b"nonsense"):
        capsys.readouterr()
        kept.write_bytes(damaged)
        assert load(settings).checksum == first.checksum
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{kept} is damaged" in said
        assert torch.equal(load(settings).test_images, first.test_images)
        assert not capsys.readouterr().err  # the file was replaced by a sound one
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_folder_that_cannot_be_written_to_still_works(tmp_path, capsys):
    folder = image_folder(tmp_path / "images")
    expected = load(Images(source="image_folder", folder=str(folder))).checksum
    for path in (folder / "prepared").iterdir():
        path.unlink()
    (folder / "prepared").rmdir()
    (folder / "prepared").write_text("")  # in the way, for root as well
    assert load(Images(source="image_folder", folder=str(folder))).checksum == expected
    assert "not kept" in capsys.readouterr().err


def test_kept_images_follow_the_settings_and_the_files(tmp_path):
    folder = image_folder(tmp_path / "images")
    settings = Images(source="image_folder", folder=str(folder))
    first = load(settings)
    assert load(settings.model_copy(update={"test_images": 2})).checksum != first.checksum
    write_image(folder / "test" / "dog" / "1.png", 999)
    changed = load(settings)
    assert changed.checksum != first.checksum
    assert torch.equal(changed.train_images, first.train_images)
    (folder / "train" / "cat" / "0.png").unlink()
    assert len(load(settings).train_images) == len(first.train_images) - 1


def test_checksum_covers_images_labels_and_class_names(tmp_path):
    arrays = {
        "train_images": np.zeros((2, 3, 8, 8), np.uint8),
        "train_labels": np.array([0, 1]),
        "test_images": np.zeros((2, 3, 8, 8), np.uint8),
        "test_labels": np.array([0, 1]),
        "class_names": np.array(["a", "b"]),
    }
    others = [
        {"train_images": np.ones((2, 3, 8, 8), np.uint8)},
        {"test_images": np.zeros((2, 3, 4, 16), np.uint8)},
        {"train_labels": np.array([1, 0])},
        {"test_labels": np.array([0, 1], np.uint64)},
        {"class_names": np.array(["a", "c"])},
    ]
    checksums = [loading._checksum(arrays | other) for other in [{}, *others]]
    assert len(set(checksums)) == len(checksums)


def test_subset_has_equally_many_of_each_class_in_original_order(tmp_path, archive):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive))
    everything = load(settings)
    chosen = load(settings.model_copy(update={"train_images": 50, "test_images": 10}))
    assert torch.bincount(chosen.train_labels).tolist() == [5] * 10
    assert torch.bincount(chosen.test_labels).tolist() == [1] * 10
    pixels = [image.numpy().tobytes() for image in everything.train_images]
    positions = [pixels.index(image.numpy().tobytes()) for image in chosen.train_images]
    assert positions == sorted(set(positions))
    assert torch.equal(chosen.train_labels, everything.train_labels[positions])
    assert positions != list(range(50))  # not simply the first of each class
    smaller = load(settings.model_copy(update={"train_images": 20}))
    assert {image.numpy().tobytes() for image in smaller.train_images} < {pixels[position] for position in positions}


@pytest.mark.parametrize(
    ("setting", "number", "said"),
    [
        ("train_images", 5, r"images\.train_images is 5.*each of 10 classes.*multiple of 10"),
        ("test_images", 15, r"images\.test_images is 15.*multiple of 10"),
        ("train_images", 110, r"images\.train_images is 110, 11 of each class.*only 10 of.*at most 100"),
    ],
)
def test_impossible_subsets(tmp_path, archive, setting, number, said):
    with pytest.raises(UserError, match=said):
        load(Images(folder=str(tmp_path), archive=str(archive), **{setting: number}))


def test_subset_of_unequal_classes_names_the_smallest(tmp_path):
    folder = image_folder(tmp_path / "images")
    (folder / "train" / "cat" / "0.png").unlink()
    with pytest.raises(UserError, match=r"only 2 of cat; choose at most 4"):
        load(Images(source="image_folder", folder=str(folder), train_images=6))


def test_synthetic_images_need_no_more_than_their_name(tmp_path, embedded):
    images, labels, _, test_labels = synthetic.generate(500, 20)
    assert np.array_equal(embedded.train_images.numpy(), images)
    assert np.array_equal(embedded.train_labels.numpy(), labels)
    assert embedded.test_labels.tolist() == test_labels.tolist()
    assert embedded.class_names == synthetic.CLASS_NAMES
    assert embedded.name == "synthetic images"
    with pytest.raises(UserError, match=r"images\.test_images is 15"):
        load(Images(source="synthetic", folder=str(tmp_path), train_images=10, test_images=15))


def test_more_synthetic_images_than_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "MAXIMUM_IMAGES", 100)
    with pytest.raises(UserError, match=r"images\.train_images is 110, .*choose at most 100"):
        load(Images(source="synthetic", folder=str(tmp_path), train_images=110, test_images=10))
