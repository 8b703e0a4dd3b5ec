import copy
from typing import Any

import pytest

from repro.machine.errors import UserError
from repro.results import sources
from repro.settings.configuration import validate


def provenance(experiment: str = "activation_growth", **settings: Any) -> dict[str, Any]:
    """What a table of an experiment on CIFAR-10 says where it comes from."""
    configuration = validate({"name": "quick", "experiments": {experiment: settings}})
    return {
        "settings": configuration.part_of(experiment),
        "data": {"name": "CIFAR-10", "checksum": "0" * 64},
        "revision": "0123456789abcdef",
    }


def test_a_figure_says_where_it_comes_from():
    found = provenance(seeds=3)
    line = sources.source_line("activation_growth", found)
    assert line == "CIFAR-10; ResNet-110; 3 seeds; configuration 'quick'; revision 01234567"
    assert sources.subject("activation_growth", found) == "CIFAR-10; ResNet-110"
    assert "; 1 seed; " in sources.source_line("activation_growth", provenance(seeds=1))


def test_several_depths_are_said():
    found = provenance(recipes=[{"depth": 8}, {"depth": 20}, {"depth": 14}])
    assert sources.subject("activation_growth", found) == "CIFAR-10; ResNet-8 to 20"


def test_what_looks_at_no_network_has_no_subject():
    found = provenance("product_spectra", draws=4) | {"data": None}
    assert sources.subject("product_spectra", found) == ""
    assert sources.source_line("product_spectra", found) == "4 draws; configuration 'quick'; revision 01234567"


@pytest.mark.parametrize(
    ("images", "epochs", "expected"),
    [
        (10_000, [10, 30, 11], "CIFAR-10; 10,000 training images; ResNet-8; 10 to 30 epochs"),
        (None, [165], "CIFAR-10; ResNet-8; 165 epochs"),
    ],
)
def test_what_was_trained_is_said_with_its_size(images: int | None, epochs: list[int], expected: str):
    recipes = [{"depth": 8, "epochs": count, "images": {"train_images": images}} for count in epochs]
    for experiment, settings in (("training_curves", {}), ("activation_growth", {"after": [1.0]})):
        found = provenance(experiment, recipes=recipes, seeds=2, **settings)
        assert sources.subject(experiment, found) == expected
        line = sources.source_line(experiment, found)
        assert line == f"{expected}; 2 seeds; configuration 'quick'; revision 01234567"


def test_what_was_trained_in_less_than_single_precision_says_so():
    found = provenance("training_curves", recipes=[{"depth": 8, "epochs": 1, "precision": "bfloat16"}])
    assert sources.subject("training_curves", found) == "CIFAR-10; ResNet-8; 1 epoch; bfloat16"


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        (["bfloat16", "bfloat16"], "; bfloat16"),
        (["float32", "float32"], ""),
        (["bfloat16", "float32"], "; bfloat16 and float32"),  # on two machines
        ([], "; float32 or bfloat16"),
    ],
)
def test_the_fastest_precision_is_said_as_what_it_was(trained: list[str], expected: str):
    recipes = [{"depth": 8, "epochs": 1, "precision": "fastest", "normalisation": kind} for kind in ("batch", "none")]
    for experiment, settings in (("training_curves", {}), ("activation_growth", {"after": [1.0]})):
        found = provenance(experiment, recipes=recipes, **settings)
        names = found["settings"]["recipes"]
        found["trained"] = {name: {"precision": each} for name, each in zip(names, trained, strict=False)}
        assert sources.subject(experiment, found) == f"CIFAR-10; ResNet-8; 1 epoch{expected}"


def test_what_was_trained_by_other_code_than_gathered_it_says_so():
    trained = {"batch": {"revision": "ab" * 20}, "none": {"revision": "cd" * 20 + "-modified"}}
    line = sources.source_line("training_curves", provenance("training_curves") | {"trained": trained})
    assert line.endswith("; configuration 'quick'; revision abababab; revision cdcdcdcd, modified")


def test_a_companion_of_something_else_is_one_sentence():
    with pytest.raises(UserError, match="not that of output_gradients; measure output_gradients again"):
        sources.source_line("output_gradients", provenance())


@pytest.mark.parametrize("lost", ["settings", "data", "revision", "settings.name", "settings.trained"])
def test_a_companion_that_lacks_something_is_one_sentence(lost: str):
    found = copy.deepcopy(provenance())
    *above, last = lost.split(".")
    del (found["settings"] if above else found)[last]
    with pytest.raises(UserError, match="not that of activation_growth; measure activation_growth again"):
        sources.source_line("activation_growth", found)
