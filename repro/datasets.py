"""Images and labels as uint8 tensors, from CIFAR-10, CIFAR-100, a folder of images or the embedded generator.

Images are decoded once and kept in `<folder>/prepared/`, one file for each choice of settings, which is verified
whenever it is read. An official archive is used only if its MD5 is torchvision's.
"""

import dataclasses
import functools
import hashlib
import http.client
import json
import os
import pickle
import sys
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from repro import config, synthetic_images, tables
from repro.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

PARTS = ("train", "test")
TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
TIMEOUT = 30.0  # seconds without a sign of life from a server
VERSION = 1  # of the kept files; raise it when the same settings give other arrays

Arrays = dict[str, NDArray[Any]]  # TENSORS, class_names and, once complete, checksum
Source = tuple[Any, Callable[[], Arrays]]  # what the content depends on, and what decodes it


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images of one data set.

    Images are uint8 (image, channel, y, x), labels int64 (image,), both on the CPU when loaded; `checksum`
    is the SHA-256 of the four tensors and the class names, `name` is what figures call the data.
    """

    name: str
    checksum: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    class_names: tuple[str, ...]

    @property
    def mean(self) -> torch.Tensor:
        """Mean of each channel over all pixels of the training images, in units of full intensity, float32."""
        return self._moments[0]

    @property
    def standard_deviation(self) -> torch.Tensor:
        """Standard deviation of each channel, like `mean`; `UserError` when a channel is the same everywhere."""
        return self._moments[1]

    @functools.cached_property
    def _moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        moments = []
        for channel in range(self.train_images.shape[1]):
            # How often each of the 256 values occurs: exact, fast, and without a copy of the images.
            pieces = self.train_images[:, channel].split(5000)
            counts = torch.stack([torch.bincount(piece.flatten(), minlength=256) for piece in pieces]).sum(0)
            if counts.count_nonzero() == 1:
                raise UserError(
                    f"Channel {channel} of {self.name} is the same in every pixel of every training image, "
                    "so it cannot be normalised; use other images."
                )
            share, values = counts.double() / counts.sum(), torch.arange(256).double() / 255
            mean = share @ values
            moments.append(torch.stack([mean, (share @ (values - mean) ** 2).sqrt()]))
        mean, standard_deviation = torch.stack(moments, dim=1).float()
        return mean, standard_deviation

    def to(self, device: torch.device) -> "ImageData":
        """The same images, labels and moments on `device`."""
        moved = dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in TENSORS})
        moved.__dict__["_moments"] = tuple(moment.to(device) for moment in self._moments)  # counted once, here
        return moved


def load(settings: config.Data) -> ImageData:
    """The images that `settings` choose.

    The first call downloads or reads, verifies and decodes them; later calls read what was kept. Raises `UserError`
    when there is no sound archive or folder, or when it has fewer images than asked for.
    """
    try:
        # Path.expanduser has no name for a user that does not exist, and says so in a RuntimeError.
        arrays = _load(settings, Path(os.path.expanduser(settings.folder)))
    except OSError as error:
        place = error.filename or settings.folder
        raise UserError(f"data: {place} cannot be read ({error.strerror or error}); check its permissions.") from None
    return ImageData(
        name=settings.name,
        checksum=str(arrays["checksum"]),
        **{key: torch.from_numpy(arrays[key]) for key in TENSORS},
        class_names=tuple(arrays["class_names"].tolist()),
    )


def _load(settings: config.Data, folder: Path) -> Arrays:
    if settings.source == "synthetic":
        identity, decode = _synthetic(settings)
    elif settings.source == "image_folder":
        identity, decode = _image_folder(folder)
    else:
        identity, decode = _official(settings, folder)

    wanted = {"train": settings.train_images, "test": settings.test_images}
    digest = hashlib.sha256(json.dumps([VERSION, settings.source, identity, wanted]).encode()).hexdigest()
    kept = folder / "prepared" / f"{digest[:32]}.npz"
    arrays = _read(kept)
    if arrays is None:
        arrays = _subset(decode(), wanted)
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        try:
            tables.write_atomically(kept, buffer.getvalue())
        except UserError as error:  # as in a read-only image folder
            print(f"The decoded images are not kept, so each step decodes them again: {error}", file=sys.stderr)
    return arrays


def normalise(images: torch.Tensor, data: ImageData) -> torch.Tensor:
    """(images / 255 - mean) / standard deviation, with the moments of each channel over the training images.

    `images` is uint8 (batch, channel, y, x) on any device; the result is float32 there.
    """
    mean = data.mean.to(images.device)[:, None, None]
    deviation = data.standard_deviation.to(images.device)[:, None, None]
    # A tensor, because CUDA multiplies by the reciprocal of a plain number, which differs in last digits.
    full = torch.full((), 255.0, device=images.device)
    return (images.float() / full - mean) / deviation


def mini_batch(data: ImageData, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distinct training images drawn at random: normalised float32 (size, channel, y, x), and their labels (size,).

    The same `seed` draws the same images everywhere. Raises `UserError` when there are fewer than `size`.
    """
    count = len(data.train_images)
    if size > count:
        raise UserError(
            f"A mini-batch of {size} images cannot be drawn from {count} training images; "
            "lower batch_size or raise data.train_images."
        )
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size]
    return normalise(data.train_images[chosen], data), data.train_labels[chosen]


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256(json.dumps(arrays["class_names"].tolist()).encode())
    for key in TENSORS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _read(path: Path) -> Arrays | None:
    """The arrays in a kept file, or nothing when there is none or it is damaged."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*TENSORS, "class_names", "checksum")}
        if _checksum(arrays) != str(arrays["checksum"]):
            raise ValueError("its checksum does not fit")
    except Exception as error:  # damage shows in many ways, and the remedy is always the same
        print(f"{path} is damaged ({error}); the images are prepared again.", file=sys.stderr)
        return None
    return arrays


def _subset(arrays: Arrays, wanted: dict[str, int | None]) -> Arrays:
    """Equally many images of each class, chosen at random but always the same, in their original order."""
    arrays = dict(arrays)
    names = arrays["class_names"]
    for part, number in wanted.items():
        if number is None:
            continue
        if number % len(names):
            raise UserError(
                f"data.{part}_images is {number}, which cannot be equally many of each of {len(names)} classes; "
                f"choose a multiple of {len(names)}, or null for all images."
            )
        each = number // len(names)
        members = [np.flatnonzero(arrays[f"{part}_labels"] == label) for label in range(len(names))]
        fewest, name = min((len(positions), name) for positions, name in zip(members, names, strict=True))
        if each > fewest:
            raise UserError(
                f"data.{part}_images is {number}, {each} of each class, but there are only {fewest} of {name}; "
                f"choose at most {fewest * len(names)}, or null for all images."
            )
        random = np.random.Generator(np.random.PCG64(0))
        chosen = np.sort(np.concatenate([random.permutation(positions)[:each] for positions in members]))
        for key in (f"{part}_images", f"{part}_labels"):
            arrays[key] = arrays[key][chosen]
    arrays["checksum"] = np.array(_checksum(arrays))
    return arrays


def _synthetic(settings: config.Data) -> Source:
    def decode() -> Arrays:
        train = min(settings.train_images or synthetic_images.TRAIN_IMAGES, synthetic_images.MAXIMUM_IMAGES)
        test = min(settings.test_images or synthetic_images.TEST_IMAGES, synthetic_images.MAXIMUM_IMAGES)
        parts = synthetic_images.generate(train, test)
        return dict(zip(TENSORS, parts, strict=True)) | {"class_names": np.array(synthetic_images.CLASS_NAMES)}

    return Path(synthetic_images.__file__).read_text(encoding="utf-8"), decode


def _official(settings: config.Data, folder: Path) -> Source:
    # As long to import as torch itself, so only where the official archive is asked for.
    from torchvision.datasets import CIFAR10, CIFAR100

    official = CIFAR10 if settings.source == "cifar10" else CIFAR100
    if settings.archive is None:
        return official.tgz_md5, lambda: _decode_archive(_download(official, settings.mirrors, folder), official)

    # Verified at every call, also when its images are kept already: a setting is never ignored.
    path = Path(os.path.expanduser(settings.archive))
    remedy = f"download {official.url}, or remove data.archive to have that done"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"data.archive: {path} cannot be read ({error.strerror}); {remedy}.") from None
    if (found := _md5(content)) != official.tgz_md5:
        raise UserError(
            f"data.archive: {path} is truncated or not the official archive, "
            f"its MD5 is {found} instead of {official.tgz_md5}; {remedy}."
        )
    return official.tgz_md5, lambda: _decode_archive(content, official)


def _download(official: "type[CIFAR10]", mirrors: list[str], folder: Path) -> bytes:
    """The official archive, from the folder or the first source that sends it whole; only then is it written."""
    path = folder / official.filename
    if path.is_file():
        content = path.read_bytes()
        if (found := _md5(content)) == official.tgz_md5:
            return content
        print(f"{path} is damaged, its MD5 is {found} instead of {official.tgz_md5}; replacing it.", file=sys.stderr)

    failures = []
    for url in [*(f"{mirror.rstrip('/')}/{official.filename}" for mirror in mirrors), official.url]:
        print(f"Downloading {url}", file=sys.stderr)
        try:
            content = _fetch(url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error)
        else:
            if (found := _md5(content)) == official.tgz_md5:
                tables.write_atomically(path, content)
                return content
            reason = f"sent {len(content)} bytes with MD5 {found} instead of {official.tgz_md5}"
        failures.append(f"{url}: {reason}")
        print(f"Not usable: {failures[-1]}", file=sys.stderr)
    raise UserError(
        f"{official.filename} could not be downloaded ({'; '.join(failures)}); try again later, "
        "name another web folder in data.mirrors, or a copy of your own in data.archive."
    )


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "understanding-batch-normalization"})
    content = bytearray()
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        length = response.headers.get("Content-Length")
        with tqdm(total=int(length) if length else None, unit="B", unit_scale=True, disable=None) as bar:
            while piece := response.read(1 << 20):
                content += piece
                bar.update(len(piece))
    return bytes(content)


def _decode_archive(content: bytes, official: "type[CIFAR10]") -> Arrays:
    """The arrays in a verified archive, read without unpacking it to the disk."""
    batches = {"train": official.train_list, "test": official.test_list}
    description = official.meta["filename"]
    wanted = {description, *(name for batch in batches.values() for name, _ in batch)}
    entries: dict[str, Any] = {}
    with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            name = member.name.removeprefix(f"{official.base_folder}/")
            if name in wanted and (file := archive.extractfile(member)):
                entries[name] = _ArrayUnpickler(file, encoding="latin1").load()

    arrays: Arrays = {"class_names": np.array(entries[description][official.meta["key"]])}
    for part, batch in batches.items():
        parts = [entries[name] for name, _ in batch]
        labels = [entry["labels"] if "labels" in entry else entry["fine_labels"] for entry in parts]
        arrays[f"{part}_images"] = np.concatenate([entry["data"] for entry in parts]).reshape(-1, 3, 32, 32)
        arrays[f"{part}_labels"] = np.concatenate(labels).astype(np.int64)
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays, numbers, text and containers as Python 2 and its NumPy wrote them, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            # NumPy 2.4 warns of the integers that older versions wrote for these truth values.
            ("numpy", "dtype"): lambda kind, align, copy: np.dtype(kind, bool(align), bool(copy)),
        }
        if (module, name) not in allowed:
            raise UserError(f"The archive asks for {module}.{name}, which no images need; do not use it.")
        return allowed[module, name]


def _image_folder(folder: Path) -> Source:
    classes = _classes(folder)
    files: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}  # path and label of each image
    for part in PARTS:
        for label, name in enumerate(classes):
            paths = _images_below(folder / part / name)
            if not paths:
                raise UserError(f"{folder / part / name} holds no PNG or JPEG image; add images or remove the class.")
            files[part] += [(path, label) for path in paths]
    statuses = [(path, os.stat(path)) for part in PARTS for path, _ in files[part]]
    root = len(str(folder))
    identity = [(path[root:], status.st_size, status.st_mtime_ns) for path, status in statuses]

    def decode() -> Arrays:
        arrays: Arrays = {"class_names": np.array(classes)}
        size = None  # of all images, set by the first
        for part in PARTS:
            images = []
            for path, _ in tqdm(files[part], desc=f"Decoding {folder / part}", disable=None):
                images.append(_decode_image(path))
                height, width = images[-1].shape[1:]
                if size is None and (height != width or height < 8 or height % 4):
                    raise UserError(
                        f"{path} has {width}x{height} pixels; images must be square, with a side that is a multiple of "
                        "4 and at least 8 (the paper's are 32x32)."
                    )
                size = size or height
                if (height, width) != (size, size):
                    raise UserError(
                        f"{path} has {width}x{height} pixels, the first image {size}x{size}; make all equally large."
                    )
            arrays[f"{part}_images"] = np.stack(images)
            arrays[f"{part}_labels"] = np.array([label for _, label in files[part]], dtype=np.int64)
        return arrays

    return identity, decode


def _classes(folder: Path) -> list[str]:
    """The class folders, in the order of `torchvision.datasets.ImageFolder`."""
    found = {}
    for part in PARTS:
        path = folder / part
        if not path.is_dir():
            missing = path if folder.is_dir() else folder
            raise UserError(
                f"data.folder: there is no folder {missing}; an image folder holds train/<class>/ and test/<class>/."
            )
        found[part] = {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    for part, other in (PARTS, PARTS[::-1]):
        if extra := sorted(found[part] - found[other]):
            raise UserError(
                f"Class {extra[0]} is in {folder / part} but not in {folder / other}; both need the same class folders."
            )
    if len(found["train"]) < 2:
        raise UserError(f"{folder / 'train'} needs at least two class folders, it has {len(found['train'])}.")
    return sorted(found["train"])


def _images_below(folder: Path) -> list[str]:
    """All PNG and JPEG files in a folder and its subfolders, in the order of `torchvision.datasets.ImageFolder`."""
    return [
        os.path.join(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith((".png", ".jpg", ".jpeg")) and not name.startswith(".")
    ]


def _decode_image(path: str) -> NDArray[np.uint8]:
    """An image as uint8 (channel, y, x) in red, green and blue."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            mode = image.mode
            with_alpha = image.convert("RGBA") if "transparency" in image.info else image
            pixels = np.asarray(with_alpha.convert("RGB")).transpose(2, 0, 1)
    except Exception as error:  # a decoder meets damage in many ways
        reason = getattr(error, "strerror", None) or "it is damaged or not a PNG or JPEG image"
        raise UserError(f"{path} cannot be read ({reason}); replace or remove it.") from None
    if mode[0] in "IF":
        raise UserError(f"{path} has more than 8 bits per channel; convert it to 8 bits.")
    return pixels
