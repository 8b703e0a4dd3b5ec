"""Archives and image folders as tests make them: archives as Python 2 wrote the official ones."""

import hashlib
import io
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10


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
    classes = 10 if official is CIFAR10 else 100
    pickles = {official.meta["filename"]: names_pickle(official, [f"name {number}" for number in range(classes)])}
    for name, _ in official.train_list + official.test_list:
        pixels = random.integers(0, 256, (images, 3072), dtype=np.uint8)
        pickles[name] = batch_pickle(official, pixels, np.arange(images) % classes)
    write_archive(path, official, pickles.items())
    return pickles


def names_pickle(official, names):
    return python2_pickle({official.meta["key"].encode(): [name.encode() for name in names]})


def batch_pickle(official, pixels, labels):
    key = b"labels" if official is CIFAR10 else b"fine_labels"
    return python2_pickle({b"batch_label": b"a batch", key: [int(label) for label in labels], b"data": pixels})


def write_archive(path, official, pickles, compression=9):
    """An archive of (name, content), of which only one needs to be in memory at a time."""
    with tarfile.open(path, "w:gz", compresslevel=compression) as archive:
        for name, content in pickles:
            member = tarfile.TarInfo(f"{official.base_folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def md5(content):
    return hashlib.md5(content).hexdigest()


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
