"""Fixtures that several tests share, and the count of faults that a run of the tests has met."""

import sys
from collections import Counter

import pytest
import torch

from repro.images.data import ImageData

# What tests record with `record_property`, under these names, as they do it.
FAULTS = ("kills survived", "flipped bytes found", "cut files found", "failed disk calls survived")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the faults of all tests that passed."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        counts.update({name: number for name, number in report.user_properties if name in FAULTS})
    if counts:
        lost = terminalreporter.getreports("failed") + terminalreporter.getreports("error")
        said = ", ".join(f"{counts[name]} {name}" for name in FAULTS if counts[name])
        terminalreporter.write_line(f"Faults: {said}{'' if lost else ', nothing lost'}.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a GPU is skipped where there is none, and says so."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and PyTorch finds none here"))


@pytest.fixture(autouse=True)
def one_thread():
    """Bits depend on the number of threads, and tests run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_figures_left():
    """Figures that a test drew and did not save would stay open, and matplotlib warns of many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def random_images(train: int = 96, test: int = 40, classes: int = 4, size: int = 16) -> ImageData:
    """Images of noise whose brightness tells their class, so that a network can learn something from them."""
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % classes
        images = torch.rand(count, 3, size, size, generator=generator) * 150 + labels[:, None, None, None] * 25
        return images.to(torch.uint8), labels

    train_images, train_labels = draw(train)
    test_images, test_labels = draw(test)
    names = tuple("abcdefghij"[:classes])
    return ImageData("noise", "0" * 64, train_images, train_labels, test_images, test_labels, names)


@pytest.fixture(scope="session")
def noise() -> ImageData:
    return random_images()
