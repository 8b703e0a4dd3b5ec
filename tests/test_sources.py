import pytest

from repro import sources
from repro.errors import UserError

PROVENANCE = {
    "settings": {
        "name": "quick",
        "network": {"depth": 110},
        "experiments": {"activation_growth": {"seeds": 3}},
    },
    "data": {"name": "CIFAR-10", "checksum": "0" * 64},
    "revision": "0123456789abcdef",
}


def test_a_figure_says_where_it_comes_from():
    line = sources.source_line("activation_growth", PROVENANCE)
    assert line == "CIFAR-10; ResNet-110; 3 seeds; configuration 'quick'; revision 01234567"
    assert sources.subject("activation_growth", PROVENANCE) == "CIFAR-10; ResNet-110"


@pytest.mark.parametrize(
    ("images", "epochs", "expected"),
    [
        (10_000, [10, 30, 10], "CIFAR-10; 10,000 training images; ResNet-8; 10 to 30 epochs"),
        (None, [165, 165], "CIFAR-10; ResNet-8; 165 epochs"),
    ],
)
def test_what_was_trained_is_said_with_its_size(images: int | None, epochs: list[int], expected: str):
    settings = PROVENANCE["settings"] | {
        "data": {"train_images": images},
        "training": {"depth": 8, "seeds": 2, "conditions": [{"epochs": count} for count in epochs]},
        "experiments": {"training_curves": {}},
    }
    assert sources.subject("training_curves", PROVENANCE | {"settings": settings}) == expected
    line = sources.source_line("training_curves", PROVENANCE | {"settings": settings})
    assert line == f"{expected}; 2 seeds; configuration 'quick'; revision 01234567"


def test_what_was_trained_by_other_code_than_gathered_it_says_so():
    settings = PROVENANCE["settings"] | {
        "data": {"train_images": None},
        "training": {"depth": 8, "seeds": 2, "conditions": [{"epochs": 1}]},
    }
    trained = {"batch-0.1": {"revision": "ab" * 20}, "none-0.1": {"revision": "cd" * 20 + "-modified"}}
    line = sources.source_line("training_curves", PROVENANCE | {"settings": settings, "trained": trained})
    assert line.endswith("; configuration 'quick'; revision abababab; revision cdcdcdcd, modified")


def test_a_companion_of_something_else_is_one_sentence():
    with pytest.raises(UserError, match="not that of output_gradients; measure output_gradients again"):
        sources.source_line("output_gradients", PROVENANCE)
