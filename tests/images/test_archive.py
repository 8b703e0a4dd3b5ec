import contextlib
import functools
import http.server
import tarfile
import threading

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from repro.images import archive as archives
from repro.images.loading import load
from repro.machine.errors import UserError
from repro.settings.recipe import Images
from tests.images.made import make_archive, md5, write_archive


@pytest.mark.parametrize(("source", "official"), [("cifar10", CIFAR10), ("cifar100", CIFAR100)])
@pytest.mark.filterwarnings("ignore:dtype")  # torchvision's own decoding, NumPy >= 2.4
def test_archive_is_decoded_as_torchvision_decodes_it(tmp_path, monkeypatch, source, official):
    path = tmp_path / official.filename
    pickles = make_archive(path, official, 200)
    monkeypatch.setattr(official, "tgz_md5", md5(path.read_bytes()))
    data = load(Images(source=source, folder=str(tmp_path / "data"), archive=str(path)))

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
    write_archive(path, CIFAR10, pickles.items())
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    with pytest.raises(UserError, match=r"asks for os\.system"):
        load(Images(folder=str(tmp_path / "data"), archive=str(path)))
    assert not touched.exists()


def test_members_that_point_outside_are_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "below" / CIFAR10.filename
    path.parent.mkdir(parents=True)
    pickles = make_archive(path, CIFAR10)
    pickles["../../x"] = b"outside"
    write_archive(path, CIFAR10, pickles.items())
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    monkeypatch.chdir(path.parent)
    assert len(load(Images(folder="data", archive=str(path))).class_names) == 10
    assert not [file for file in tmp_path.rglob("*") if file.name == "x"]


def test_named_archive_is_verified_even_when_its_images_are_kept(tmp_path, archive):
    settings = Images(folder=str(tmp_path / "data"), archive=str(archive))
    checksum = load(settings).checksum
    assert load(Images(folder=str(tmp_path / "data"))).checksum == checksum  # the same file serves both

    content = archive.read_bytes()
    archive.write_bytes(content[:-100])
    with pytest.raises(UserError) as caught:
        load(settings)
    for part in (str(archive), md5(content), md5(content[:-100]), "truncated", "images.archive", "download"):
        assert part in str(caught.value)
    archive.unlink()
    with pytest.raises(UserError, match=r"No such file.*remove images\.archive"):
        load(settings)


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
        data = load(Images(folder=str(folder), mirrors=mirrors))
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
    load(Images(folder=str(folder), train_images=20))
    assert "Downloading" not in capsys.readouterr().err


def test_no_usable_mirror_says_why_and_leaves_nothing(tmp_path, archive):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / archive.name).write_bytes(archive.read_bytes()[:1000])
    mirrors = [damaged.as_uri(), "nonsense", "http://[bad"]
    with pytest.raises(UserError) as caught:
        load(Images(folder=str(tmp_path / "data"), mirrors=mirrors))
    for part in ("1000 bytes", "unknown url type", "http://[bad", "No such file", "images.mirrors", "images.archive"):
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
    monkeypatch.setattr(archives, "TIMEOUT", 0.2)
    try:
        with pytest.raises(UserError, match="timed out"):
            load(Images(folder=str(tmp_path / "data"), mirrors=[f"http://127.0.0.1:{server.server_port}"]))
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
