"""What the page says of a table whose provenance is older than some of a recipe's fields."""

from typing import Any

import pytest

from repro.experiments import verifying
from repro.machine import code
from repro.page import differences
from repro.settings.configuration import load

NEW = ("gain", "groups", "averaging_momentum", "renormalisation_start")
EXPERIMENT = "input_independence"
FILE = "config/initialisation.yaml"


@pytest.fixture
def provenance() -> dict[str, Any]:
    """As that of a table which was measured before the fields `NEW` were there."""
    configuration = load([str(code.ROOT / FILE)])
    part = configuration.part_of(EXPERIMENT)
    for recipe in part["recipes"].values():
        for field in NEW:
            del recipe[field]
    return {"settings": part, "data": {"name": "CIFAR-10"}}


def test_what_a_recipe_lacks_is_no_difference_from_the_paper(provenance: dict[str, Any]):
    said = differences.told(EXPERIMENT, provenance)
    assert not any(field.replace("_", " ") in each for each in said for field in NEW)
    provenance["settings"]["recipes"]["batch"]["gain"] = 0.5
    assert set(differences.told(EXPERIMENT, provenance)) - set(said) == {"gain 0.5 / 1 instead of 1"}


def test_the_file_that_says_the_same_is_still_found(provenance: dict[str, Any]):
    assert differences.files(EXPERIMENT, provenance) == [FILE]
    provenance["settings"]["recipes"]["batch"]["gain"] = 0.5
    assert differences.files(EXPERIMENT, provenance) == []


def test_it_is_verified_under_the_defaults(provenance: dict[str, Any]):
    made = verifying._configuration(provenance["settings"])
    expected = load([str(code.ROOT / FILE)]).recipes_of(EXPERIMENT)
    assert list(made.recipes_of(EXPERIMENT).values()) == list(expected.values())
