"""The schema and the reference page, which are generated from the settings, are in step with them."""

import json
import re
from pathlib import Path

import pytest

from repro.settings import reference
from repro.settings.configuration import Configuration
from repro.settings.types import kinds
from tests.settings.walk import paths

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "run `python -m repro schema`"


def test_the_schema_is_in_step():
    path = ROOT / "workflow/schemas/configuration.schema.json"
    assert json.loads(path.read_text()) == Configuration.model_json_schema(), AGAIN


def test_the_reference_page_is_in_step():
    assert (ROOT / "docs/configuration.md").read_text() == reference.reference_page(), AGAIN


def test_the_reference_page_names_every_setting_and_what_it_means():
    page = reference.reference_page()
    for path in paths(Configuration):
        assert re.search(rf"^\| `{re.escape('.'.join(path))}` \| [^|]+ \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE), path


@pytest.mark.parametrize(
    "row",
    [
        "| `name` | string | required |",
        "| `device` | `auto`, `cpu`, `cuda` | `auto` |",
        "| `recipe.learning_rate` | number > 0 | `0.1` |",
        "| `recipe.dropout` | number >= 0 < 1 | `0.0` |",
        "| `recipe.drops` | list of number > 0 <= 1 | `[0.5, 0.75]` |",
        "| `recipe.augmentation` | boolean | true |",
        "| `recipe.images.train_images` | integer >= 1 or null | null |",
        "| `recipe.images` | section | see below |",
        "| `experiments.activation_growth.recipes` | list of mappings | `[{}, {normalisation: none}]` |",
    ],
)
def test_types_ranges_and_defaults_are_as_yaml_has_them(row: str):
    assert row in reference.reference_page()


def test_the_page_says_what_a_recipe_of_an_experiment_takes():
    assert "fields of\n[`recipe`](#recipe)" in reference.reference_page()
    assert "\n## `recipe`\n" in reference.reference_page()  # what the link leads to


def test_adding_a_kind_changes_neither_schema_nor_page(monkeypatch: pytest.MonkeyPatch):
    """Kinds are words there, and those of a recipe are read from file names."""
    recipe = Configuration.model_json_schema()["$defs"]["Recipe"]["properties"]
    for room in ("normalisation", "activation", "initialisation"):
        assert recipe[room]["type"] == "string"
        assert "enum" not in recipe[room]
        assert f"repro/networks/{room}" in recipe[room]["description"]
        others = set(kinds(room)) - {recipe[room]["default"]}
        row = next(line for line in reference.reference_page().splitlines() if line.startswith(f"| `recipe.{room}`"))
        assert not any(re.search(rf"\b{kind}\b", row) for kind in others)


def test_the_schema_states_the_ranges():
    recipe = Configuration.model_json_schema()["$defs"]["Recipe"]["properties"]
    assert recipe["learning_rate"]["exclusiveMinimum"] == 0
    assert (recipe["momentum"]["minimum"], recipe["momentum"]["exclusiveMaximum"]) == (0, 1)
