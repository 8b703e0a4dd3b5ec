import contextlib
import functools
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100, ImageFolder

from repro import datasets, synthetic_images
from repro.config import Data
from repro.errors import UserError

# Official archives: written here as Python 2 wrote the real ones, and decoded by torchvision for comparison


class Python2Pickler(pickle._Pickler):
    """Writes byte strings as Python 2 did: CIFAR's archives come from there."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, content):
        self.write(b"T" + struct.pack("<i", len(content)) + content)
        self.memoize(content)

    dispatch[bytes] = save_bytes


def python2_pickle(entry):
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(entry)
    content = stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return content.replace(b"\x89\x88\x87", b"K\x00K\x01\x87", 1)  # dtype("u1", 0, 1), with integers for truth values


def make_archive(path, official, images=20):
    """An archive with the official one's layout, random pixels, and its pickles by name."""
    random = np.random.default_rng(1)
    key = "labels" if official is CIFAR10 else "fine_labels"
    classes = 10 if official is CIFAR10 else 100
    members = {official.meta["filename"]: {official.meta["key"].encode(): [b"name %d" % c for c in range(classes)]}}
    for name, _ in official.train_list + official.test_list:
        pixels = random.integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = [int(label) for label in np.arange(images) % classes]
        members[name] = {b"batch_label": b"a batch", key.encode(): labels, b"data": pixels}
    pickles = {name: python2_pickle(entry) for name, entry in members.items()}
    write_archive(path, official, pickles)
    return pickles


def write_archive(path, official, pickles):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in pickles.items():
            member = tarfile.TarInfo(f"{official.base_folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    path = tmp_path / "sent" / CIFAR10.filename
    path.parent.mkdir()
    make_archive(path, CIFAR10)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nowhere" / CIFAR10.filename).as_uri())
    return path


@pytest.mark.parametrize(("source", "official"), [("cifar10", CIFAR10), ("cifar100", CIFAR100)])
@pytest.mark.filterwarnings("ignore:dtype")  # torchvision's own decoding, NumPy >= 2.4
def test_archive_is_decoded_as_torchvision_decodes_it(tmp_path, monkeypatch, source, official):
    path = tmp_path / official.filename
    pickles = make_archive(path, official, 200)
    monkeypatch.setattr(official, "tgz_md5", md5(path.read_bytes()))
    data = datasets.load(Data(source=source, folder=str(tmp_path / "data"), archive=str(path)))

    for attribute in ("train_list", "test_list"):
        entries = [[name, md5(pickles[name])] for name, _ in getattr(official, attribute)]
        monkeypatch.setattr(official, attribute, entries)
    description = pickles[official.meta["filename"]]
    monkeypatch.setattr(official, "meta", {**official.meta, "md5": md5(description)})
    with tarfile.open(path) as file:
        file.extractall(tmp_path / "unpacked", filter="data")
    for train, images, labels in (
        (True, data.train_images, data.train_labels),
        (False, data.test_images, data.test_labels),
    ):
        expected = official(tmp_path / "unpacked", train=train)
        assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected.data)
        assert labels.tolist() == expected.targets
        assert images.dtype == torch.uint8
        assert labels.dtype == torch.int64
        assert data.class_names == tuple(expected.classes)
    assert data.name == {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}[source]


def test_pickles_of_the_archive_may_not_call_anything(tmp_path, monkeypatch):
    path = tmp_path / CIFAR10.filename
    pickles = make_archive(path, CIFAR10)
    touched = tmp_path / "touched"
    pickles["test_batch"] = b"cos\nsystem\n(S'touch " + str(touched).encode() + b"'\ntR."
    write_archive(path, CIFAR10, pickles)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    with pytest.raises(UserError, match=r"asks for os\.system"):
        datasets.load(Data(folder=str(tmp_path / "data"), archive=str(path)))
    assert not touched.exists()


def test_members_that_point_outside_are_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "below" / CIFAR10.filename
    path.parent.mkdir(parents=True)
    pickles = make_archive(path, CIFAR10)
    pickles["../../x"] = b"outside"
    write_archive(path, CIFAR10, pickles)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    monkeypatch.chdir(path.parent)
    assert len(datasets.load(Data(folder="data", archive=str(path))).class_names) == 10
    assert not [file for file in tmp_path.rglob("*") if file.name == "x"]


def test_named_archive_is_verified_even_when_its_images_are_kept(tmp_path, archive):
    settings = Data(folder=str(tmp_path / "data"), archive=str(archive))
    checksum = datasets.load(settings).checksum
    assert datasets.load(Data(folder=str(tmp_path / "data"))).checksum == checksum  # the same file serves both

    content = archive.read_bytes()
    archive.write_bytes(content[:-100])
    with pytest.raises(UserError) as caught:
        datasets.load(settings)
    for part in (str(archive), md5(content), md5(content[:-100]), "truncated", "data.archive", "download"):
        assert part in str(caught.value)
    archive.unlink()
    with pytest.raises(UserError, match=r"No such file.*remove data\.archive"):
        datasets.load(settings)


@contextlib.contextmanager
def web_server(folder):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_mirrors_are_tried_in_order_until_one_sends_the_whole_archive(tmp_path, archive, capsys):
    content = archive.read_bytes()
    truncated = tmp_path / "truncated"
    truncated.mkdir()
    (truncated / archive.name).write_bytes(content[:1000])
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / archive.name).write_bytes(content[:500])  # an earlier, broken download
    with web_server(tmp_path) as address:
        mirrors = [
            "http://127.0.0.1:1",
            f"{address}/absent",
            f"{address}/truncated/",
            f"{address}/sent",
            f"{address}/x",
        ]
        data = datasets.load(Data(folder=str(folder), mirrors=mirrors))
    assert len(data.train_images) == 100
    assert (folder / archive.name).read_bytes() == content
    said = capsys.readouterr().err
    expected = [
        "is damaged",
        "127.0.0.1:1/",
        "refused",
        "/absent/",
        "HTTP Error 404",
        "truncated/cifar",
        "1000 bytes",
        md5(content[:1000]),
        "/sent/cifar",
    ]
    positions = [said.find(text) for text in expected]
    assert positions == sorted(positions)
    assert positions[0] >= 0
    assert "/x/" not in said

    # The verified archive serves another choice of images without a download.
    datasets.load(Data(folder=str(folder), train_images=20))
    assert "Downloading" not in capsys.readouterr().err


def test_no_usable_mirror_says_why_and_leaves_nothing(tmp_path, archive):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / archive.name).write_bytes(archive.read_bytes()[:1000])
    mirrors = [damaged.as_uri(), "nonsense", "http://[bad"]
    with pytest.raises(UserError) as caught:
        datasets.load(Data(folder=str(tmp_path / "data"), mirrors=mirrors))
    for part in ("1000 bytes", "unknown url type", "http://[bad", "No such file", "data.mirrors", "data.archive"):
        assert part in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_mirror_that_goes_silent_is_given_up(tmp_path, archive, monkeypatch):
    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            released.wait(20)

        def log_message(self, *_):
            pass

    released = threading.Event()
    server = http.server.HTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setattr(datasets, "TIMEOUT", 0.2)
    try:
        with pytest.raises(UserError, match="timed out"):
            datasets.load(Data(folder=str(tmp_path / "data"), mirrors=[f"http://127.0.0.1:{server.server_port}"]))
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


# Kept files


def test_kept_images_are_used_and_a_damaged_file_is_rebuilt(tmp_path, archive, capsys, monkeypatch):
    settings = Data(folder=str(tmp_path / "data"), archive=str(archive))
    first = datasets.load(settings)
    (kept,) = (tmp_path / "data" / "prepared").iterdir()
    sound = kept.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(datasets, "_decode_archive", None)
        again = datasets.load(settings)
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
        assert datasets.load(settings).checksum == first.checksum
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{kept} is damaged" in said
        assert torch.equal(datasets.load(settings).test_images, first.test_images)
        assert not capsys.readouterr().err  # the file was replaced by a sound one
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_folder_that_cannot_be_written_to_still_works(tmp_path, capsys):
    folder = image_folder(tmp_path / "images")
    expected = datasets.load(Data(source="image_folder", folder=str(folder))).checksum
    for path in (folder / "prepared").iterdir():
        path.unlink()
    (folder / "prepared").rmdir()
    (folder / "prepared").write_text("")  # in the way, for root as well
    assert datasets.load(Data(source="image_folder", folder=str(folder))).checksum == expected
    assert "not kept" in capsys.readouterr().err


def test_kept_images_follow_the_settings_and_the_files(tmp_path):
    folder = image_folder(tmp_path / "images")
    settings = Data(source="image_folder", folder=str(folder))
    first = datasets.load(settings)
    assert datasets.load(settings.model_copy(update={"test_images": 2})).checksum != first.checksum
    write_image(folder / "test" / "dog" / "1.png", 999)
    changed = datasets.load(settings)
    assert changed.checksum != first.checksum
    assert torch.equal(changed.train_images, first.train_images)
    (folder / "train" / "cat" / "0.png").unlink()
    assert len(datasets.load(settings).train_images) == len(first.train_images) - 1


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
    checksums = [datasets._checksum(arrays | other) for other in [{}, *others]]
    assert len(set(checksums)) == len(checksums)


# Subsets


def test_subset_has_equally_many_of_each_class_in_original_order(tmp_path, archive):
    settings = Data(folder=str(tmp_path / "data"), archive=str(archive))
    everything = datasets.load(settings)
    chosen = datasets.load(settings.model_copy(update={"train_images": 50, "test_images": 10}))
    assert torch.bincount(chosen.train_labels).tolist() == [5] * 10
    assert torch.bincount(chosen.test_labels).tolist() == [1] * 10
    pixels = [image.numpy().tobytes() for image in everything.train_images]
    positions = [pixels.index(image.numpy().tobytes()) for image in chosen.train_images]
    assert positions == sorted(set(positions))
    assert torch.equal(chosen.train_labels, everything.train_labels[positions])
    assert positions != list(range(50))  # not simply the first of each class
    smaller = datasets.load(settings.model_copy(update={"train_images": 20}))
    assert {image.numpy().tobytes() for image in smaller.train_images} < {pixels[position] for position in positions}


@pytest.mark.parametrize(
    ("setting", "number", "said"),
    [
        ("train_images", 5, r"data\.train_images is 5.*each of 10 classes.*multiple of 10"),
        ("test_images", 15, r"data\.test_images is 15.*multiple of 10"),
        ("train_images", 110, r"data\.train_images is 110, 11 of each class.*only 10 of.*at most 100"),
    ],
)
def test_impossible_subsets(tmp_path, archive, setting, number, said):
    with pytest.raises(UserError, match=said):
        datasets.load(Data(folder=str(tmp_path), archive=str(archive), **{setting: number}))


def test_subset_of_unequal_classes_names_the_smallest(tmp_path):
    folder = image_folder(tmp_path / "images")
    (folder / "train" / "cat" / "0.png").unlink()
    with pytest.raises(UserError, match=r"only 2 of cat; choose at most 4"):
        datasets.load(Data(source="image_folder", folder=str(folder), train_images=6))


# Image folders


def write_image(path, seed, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def image_folder(folder, count=3):
    seed = 0
    for part in ("train", "test"):
        for name in ("dog", "cat"):
            for number in range(count):
                write_image(folder / part / name / f"{number}.png", seed)
                seed += 1
    return folder


def test_image_folder_is_read_as_torchvision_reads_it(tmp_path):
    folder = image_folder(tmp_path / "animals", 3)
    write_image(folder / "train" / "dog" / "10.JPG", 100)
    write_image(folder / "train" / "cat" / "deeper" / "5.jpeg", 101)
    write_image(folder / "test" / "cat" / "grey.png", 102, mode="L")
    write_image(folder / "test" / "cat" / "transparent.png", 103, mode="RGBA")
    palette = Image.open(folder / "train" / "cat" / "1.png").quantize(16)
    palette.save(folder / "test" / "dog" / "palette.png", transparency=bytes(range(16)))
    (folder / "train" / "dog" / "notes.txt").write_text("no image")
    data = datasets.load(Data(source="image_folder", folder=str(folder)))
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
    assert datasets.load(Data(source="image_folder", folder=str(folder), label="Zoo")).name == "Zoo"


def test_hidden_files_and_folders_are_no_images(tmp_path):
    folder = image_folder(tmp_path / "images")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "dog" / "._0.png").write_text("of another operating system")
    assert len(datasets.load(Data(source="image_folder", folder=str(folder))).train_images) == 6


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
        datasets.load(Data(source="image_folder", folder=str(folder)))
    assert not list(Path(tmp_path).rglob("*.npz"))


# Normalisation and mini-batches


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("data"))
    return datasets.load(Data(source="synthetic", folder=folder, train_images=500, test_images=20))


def test_moments_are_those_of_all_training_pixels(synthetic):
    pixels = synthetic.train_images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(synthetic.mean.numpy(), pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(synthetic.standard_deviation.numpy(), pixels.std((0, 2, 3)), rtol=1e-6)
    assert synthetic.mean.dtype == synthetic.standard_deviation.dtype == torch.float32
    normalised = datasets.normalise(synthetic.train_images, synthetic)
    assert normalised.dtype == torch.float32
    assert normalised.mean((0, 2, 3)).abs().max() < 1e-5
    assert (normalised.std((0, 2, 3)) - 1).abs().max() < 1e-4
    pixel = (int(synthetic.test_images[2, 1, 5, 7]) / 255 - pixels.mean((0, 2, 3))[1]) / pixels.std((0, 2, 3))[1]
    assert datasets.normalise(synthetic.test_images, synthetic)[2, 1, 5, 7].item() == pytest.approx(pixel, rel=1e-5)


def test_mini_batch_draws_distinct_images_by_seed(synthetic):
    images, labels = datasets.mini_batch(synthetic, 128, seed=3)
    assert images.shape == (128, 3, 32, 32)
    again, _ = datasets.mini_batch(synthetic, 128, seed=3)
    other, _ = datasets.mini_batch(synthetic, 128, seed=4)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    everything = datasets.normalise(synthetic.train_images, synthetic).flatten(1)
    positions = [int((everything == image.flatten()).all(1).nonzero()) for image in images]
    assert len(set(positions)) == 128
    assert torch.equal(labels, synthetic.train_labels[positions])
    _, all_labels = datasets.mini_batch(synthetic, 500, seed=0)
    assert torch.bincount(all_labels).tolist() == [50] * 10
    with pytest.raises(UserError, match=r"501 images cannot be drawn from 500"):
        datasets.mini_batch(synthetic, 501, seed=0)


def test_mini_batch_leaves_the_global_generator_alone(synthetic):
    state = torch.get_rng_state()
    datasets.mini_batch(synthetic, 8, seed=1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_constant_channel_cannot_be_normalised(synthetic):
    images = synthetic.train_images.clone()
    images[:, 1] = 77
    fields = {**vars(synthetic), "train_images": images}
    data = datasets.ImageData(**{key: fields[key] for key in datasets.ImageData.__dataclass_fields__})
    with pytest.raises(UserError, match="Channel 1 of synthetic images is the same"):
        datasets.mini_batch(data, 8, seed=0)


def test_synthetic_images_need_no_more_than_their_name(tmp_path, synthetic):
    images, labels, _, test_labels = synthetic_images.generate(500, 20)
    assert np.array_equal(synthetic.train_images.numpy(), images)
    assert np.array_equal(synthetic.train_labels.numpy(), labels)
    assert synthetic.test_labels.tolist() == test_labels.tolist()
    assert synthetic.class_names == synthetic_images.CLASS_NAMES
    assert synthetic.name == "synthetic images"
    with pytest.raises(UserError, match=r"data\.test_images is 15"):
        datasets.load(Data(source="synthetic", folder=str(tmp_path), train_images=10, test_images=15))


def test_more_synthetic_images_than_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic_images, "MAXIMUM_IMAGES", 100)
    with pytest.raises(UserError, match=r"data\.train_images is 110, .*choose at most 100"):
        datasets.load(Data(source="synthetic", folder=str(tmp_path), train_images=110, test_images=10))
