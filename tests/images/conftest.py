import pytest
from torchvision.datasets import CIFAR10

from repro.images.loading import load
from repro.settings.recipe import Images
from tests.images.made import make_archive, md5


@pytest.fixture
def archive(tmp_path, monkeypatch):
    path = tmp_path / "sent" / CIFAR10.filename
    path.parent.mkdir()
    make_archive(path, CIFAR10)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path.read_bytes()))
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nowhere" / CIFAR10.filename).as_uri())
    return path


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """The first 500 and 20 embedded images."""
    folder = str(tmp_path_factory.mktemp("data"))
    return load(Images(source="synthetic", folder=folder, train_images=500, test_images=20))
