"""Recipes: their names, their digests, and their variations."""

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from repro.settings.recipe import LONGEST, PLAIN, TRAINING_ONLY, Images, Recipe, complete, name, named, vary
from repro.settings.types import kinds

BASE = Recipe()
# Of each field a value that is not the default, and what the name of a recipe with it says.
SECOND: dict[str, tuple[Any, str]] = {
    "images": ({"train_images": 1000}, "batch-train1000"),
    "depth": (8, "batch-depth8"),
    "shortcut": ("A", "batch-A"),
    "normalisation": ("none", "none"),
    "place": ("final", "batch-final"),
    "groups": (4, "batch-groups4"),
    "averaging_momentum": (0.01, "batch-averaging0.01"),
    "renormalisation_start": (500, "batch-renormalising500"),
    "activation": ("tanh", "batch-tanh"),
    "initialisation": ("orthogonal", "batch-orthogonal"),
    "gain": (0.5, "batch-gain0.5"),
    "dropout": (0.1, "batch-dropout0.1"),
    "learning_rate": (0.003, "batch-lr0.003"),
    "drops": ([0.5], "batch-drops0.5"),
    "epochs": (10, "batch-epochs10"),
    "batch_size": (64, "batch-batch64"),
    "momentum": (0.5, "batch-momentum0.5"),
    "weight_decay": (1e-4, "batch-decay0.0001"),
    "augmentation": (False, "batch-augmentation_false"),
    "precision": ("tf32", "batch-tf32"),
}
SECOND_IMAGES = {
    "source": "cifar100",
    "folder": "elsewhere",
    "positions": "some.npz",
    "train_images": 2000,
    "test_images": 500,
    "label": "mine",
}
# These only say where the same images are found.
PLACES = {"archive": "archive.tar.gz", "mirrors": ["https://mirror"]}


# --- names and digests ---


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_every_field_appears_in_the_name_and_in_the_digest(field: str):
    value, expected = SECOND[field]
    recipe = vary(BASE, {field: value})
    assert name(recipe, BASE) == expected
    assert (recipe.digest != BASE.digest) == (field != "images")  # the images' checksum tells those


def test_names_of_recipes_that_differ_in_any_one_field_are_unique():
    recipes = [BASE, *(vary(BASE, {field: value}) for field, (value, _) in SECOND.items())]
    recipes += [vary(BASE, {"images": {field: value}}) for field, value in SECOND_IMAGES.items()]
    recipes += [vary(BASE, {"images": {"train_images": number, "test_images": 10}}) for number in (10, 20)]
    assert len({name(recipe, BASE) for recipe in recipes}) == len(recipes)
    assert {*SECOND_IMAGES, *PLACES} == set(Images.model_fields)
    for field, value in PLACES.items():
        recipe = vary(BASE, {"images": {field: value}})
        assert name(recipe, BASE) == "batch"
        # Wherever the official archive comes from, it is the same: nothing is measured or trained again.
        assert recipe.images.digest == BASE.images.digest
        assert recipe.decides == BASE.decides


def test_words_that_stand_alone_in_a_name_are_told_apart():
    fields = Recipe.model_fields
    words = [*kinds("activation"), *kinds("initialisation"), *kinds("normalisation")]
    shortcuts = fields["shortcut"].annotation.__args__
    words += [PLAIN if shortcut == "none" else shortcut for shortcut in shortcuts]
    words += fields["precision"].annotation.__args__
    words += [*fields["place"].annotation.__args__, *Images.model_fields["source"].annotation.__args__]
    assert len(set(words)) == len(words)


RECIPE_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "depth": st.sampled_from([8, 14, 110]),
    "shortcut": st.sampled_from(["A", "B", "none"]),
    "normalisation": st.sampled_from(kinds("normalisation")),
    "place": st.sampled_from(["everywhere", "after_activation", "final"]),
    "activation": st.sampled_from(kinds("activation")),
    "initialisation": st.sampled_from(kinds("initialisation")),
    "groups": st.sampled_from([1, 2, 4, 8, 16]),
    "averaging_momentum": st.floats(0, 1, exclude_min=True),
    "renormalisation_start": st.integers(1, 10**9),
    "gain": st.floats(0, 1e300, exclude_min=True),
    "dropout": st.floats(0, 1, exclude_max=True),
    "learning_rate": st.floats(0, 1e300, exclude_min=True),
    "drops": st.lists(st.floats(0, 1, exclude_min=True), max_size=30),
    "epochs": st.integers(1, 10**9),
    "batch_size": st.integers(2, 10**9),
    "momentum": st.floats(0, 1, exclude_max=True),
    "weight_decay": st.floats(0, 1e300),
    "augmentation": st.booleans(),
    "precision": st.sampled_from(["float32", "tf32", "bfloat16", "fastest"]),
}
LINES = st.text(max_size=60).filter(str.isprintable) | st.sampled_from(
    ["x/y", "x_y", "x-y", "lr0.1", "", ".", "~", "é"]
)
IMAGE_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "source": st.sampled_from(["cifar10", "cifar100"]),
    "folder": LINES,
    "positions": LINES | st.none(),
    "train_images": st.integers(1, 10**9) | st.none(),
    "test_images": st.integers(1, 10**9) | st.none(),
    "label": LINES | st.none(),
}


def _placed(varied: dict[str, Any]) -> bool:
    kind, place = varied.get("normalisation"), varied.get("place", "everywhere")
    if kind == "skip_init":
        return place == "everywhere" and varied.get("shortcut") != "none"
    return (kind, place) != ("weight_standardisation", "final") and (kind != "none" or place == "everywhere")


VARIATIONS = st.fixed_dictionaries(
    {}, optional={**RECIPE_FIELDS, "images": st.fixed_dictionaries({}, optional=IMAGE_FIELDS)}
).filter(_placed)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(VARIATIONS, VARIATIONS, VARIATIONS)
def test_names_are_safe_in_file_names_and_different_recipes_have_different_ones(based, first, second):
    base = vary(BASE, based)
    recipes = []
    for variation in (first, second):
        try:
            recipes.append(vary(base, variation))
        except ValidationError:  # a place, and the base has no normalisation
            assume(False)
    names = [name(recipe, base) for recipe in recipes]
    for called in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", called)
        assert len(called) <= LONGEST
    assert (names[0] == names[1]) == (recipes[0] == recipes[1])


@pytest.mark.parametrize(
    ("close", "other"),
    [
        ({"learning_rate": 0.1}, {"learning_rate": 0.1 + 1e-12}),
        ({"drops": [0.5]}, {"drops": [0.5 + 1e-12]}),
        ({"drops": [0.5, 0.75]}, {"drops": [0.75, 0.5]}),
        ({"images": {"label": "a/b"}}, {"images": {"label": "a_b"}}),
        ({"images": {"label": "abc"}}, {"images": {"folder": "abc"}}),
        ({"images": {"label": "train10"}}, {"images": {"train_images": 10}}),
        ({"images": {"label": "x" * 200}}, {"images": {"label": "x" * 201}}),
        ({"images": {"label": ""}}, {"images": {"label": None}}),
        ({"drops": [k / 100 for k in range(1, 99)]}, {"drops": [k / 100 for k in range(1, 100)]}),
    ],
)
def test_close_recipes_have_different_names(close, other):
    base = vary(BASE, {"learning_rate": 1.0, "images": {"label": "base"}})
    assert name(vary(base, close), base) != name(vary(base, other), base)


def test_the_digest_does_not_change_from_one_process_to_the_next():
    """Checkpoints are found by it; that of the paper's recipe changes only when a field is added or goes."""
    assert BASE.digest == Recipe.model_validate(BASE.model_dump()).digest
    assert re.fullmatch(r"[0-9a-f]{64}", BASE.digest)
    assert vary(BASE, {"learning_rate": 1}).digest == vary(BASE, {"learning_rate": 1.0}).digest


# --- variations ---


def test_a_variation_takes_the_place_of_the_bases_fields_and_of_the_images_field_by_field():
    base = vary(BASE, {"depth": 20, "images": {"source": "synthetic", "train_images": 100}})
    recipe = vary(base, {"batch_size": 16, "images": {"test_images": 20}})
    assert (recipe.depth, recipe.batch_size) == (20, 16)
    assert (recipe.images.source, recipe.images.train_images, recipe.images.test_images) == ("synthetic", 100, 20)
    assert vary(base, {}) == base


def test_without_normalisation_the_bases_place_means_nothing():
    base = vary(BASE, {"place": "final"})
    assert vary(base, {"normalisation": "none"}).place == "everywhere"
    assert name(vary(base, {"normalisation": "none"}), base) == "none"
    with pytest.raises(ValidationError, match="there is no normalisation to place"):
        vary(base, {"normalisation": "none", "place": "final"})


def test_a_network_without_shortcuts_is_called_plain():
    plain = vary(BASE, {"normalisation": "none", "shortcut": "none"})
    assert name(plain, BASE) == "none-plain"
    assert name(vary(plain, {"normalisation": "batch"}), plain) == "batch"
    assert name(vary(plain, {"shortcut": "B"}), plain) == "none-B"


def test_what_a_recipe_of_provenance_lacks_is_the_default():
    whole = vary(BASE, {"gain": 0.5, "depth": 20, "images": {"train_images": 10}}).decides
    old = {key: value for key, value in whole.items() if key not in ("gain", "groups")}
    old["images"] = {key: value for key, value in whole["images"].items() if key != "positions"}
    assert complete(whole) == whole
    assert complete(old) == whole | {"gain": 1.0}
    assert Recipe.model_validate(complete(old)) == vary(BASE, {"depth": 20, "images": {"train_images": 10}})


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.e-4", ".0001", "0.0001", "1.0e-04", "+1e-4"])
def test_numbers_may_be_written_like_numbers(text: str):
    """YAML 1.1 reads some of these as strings."""
    recipe = vary(BASE, {"learning_rate": text, "weight_decay": text, "dropout": text, "drops": [text]})
    assert recipe.learning_rate == recipe.weight_decay == recipe.dropout == recipe.drops[0] == 1e-4


def test_untrained_networks_that_are_equal_are_one_recipe():
    changed = {field: SECOND[field][0] for field in TRAINING_ONLY}
    assert vary(BASE, changed).untrained() == BASE
    for field in set(Recipe.model_fields) - set(TRAINING_ONLY):
        assert vary(BASE, {field: SECOND[field][0]}).untrained() != BASE, field


def test_recipes_are_named_and_those_of_untrained_networks_by_what_matters():
    variations = [{}, {"normalisation": "none", "learning_rate": 0.003}]
    assert list(named(BASE, variations, True, "recipes")) == ["batch", "none-lr0.003"]
    untrained = named(vary(BASE, {"learning_rate": 1.0}), variations, False, "recipes")
    assert list(untrained) == ["batch", "none"]
    assert untrained["none"].learning_rate == 0.1


def test_a_recipe_listed_twice_is_refused():
    twice = [{"epochs": 3}, {"epochs": 3}]
    with pytest.raises(ValueError, match=r"^there: batch-epochs3 is listed twice; keep one$"):
        named(BASE, twice, True, "there")
    rates = [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    with pytest.raises(ValueError, match="batch is listed twice, the same network before training; keep one"):
        named(BASE, rates, False, "there")
    assert len(named(BASE, rates, True, "there")) == 2


def test_a_mistake_in_a_variation_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"^there\.1\.") as error:
        named(BASE, [{}, {"learning_rat": 0.1, "images": {"folde": "x"}}], True, "there")
    assert "there.1.learning_rat is not a setting; did you mean 'learning_rate'?" in str(error.value)
    assert "there.1.images.folde is not a setting; did you mean 'folder'?" in str(error.value)


def test_a_list_in_place_of_a_value_is_one_recipe_for_each_of_its_values():
    """Against loops."""
    variation = {"normalisation": ["batch", "none"], "learning_rate": [0.3, 0.03], "depth": 14}
    found = named(BASE, [variation], True, "there")
    expected = [
        vary(BASE, {"normalisation": normalisation, "learning_rate": rate, "depth": 14})
        for normalisation in ("batch", "none")
        for rate in (0.3, 0.03)
    ]
    assert list(found.values()) == expected
    assert list(found) == ["batch-depth14-lr0.3", "batch-depth14-lr0.03", "none-depth14-lr0.3", "none-depth14-lr0.03"]


def test_the_drops_are_a_list_themselves():
    assert named(BASE, [{"drops": [0.3, 0.6]}], True, "there")["batch-drops0.3+0.6"].drops == [0.3, 0.6]
    assert named(BASE, [{"drops": []}], True, "there")["batch-drops"].drops == []
    several = named(BASE, [{"drops": [[0.3, 0.6], []]}], True, "there")
    assert [recipe.drops for recipe in several.values()] == [[0.3, 0.6], []]


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        ({"depth": []}, r"^there\.1: depth is a list without values; give some, or a single one$"),
        ({"depth": list(range(1001))}, r"^there\.1: has lists that make more than 1000 recipes; shorten them$"),
        ({"depth": [8, [14]]}, r"^there\.1\.depth "),
        ({"drops": [0.5, [0.7]]}, r"^there\.1\.drops "),
        ({"learning_rate": [0.2, 0.2]}, r"^there: batch-lr0.2 is listed twice; keep one$"),
    ],
)
def test_lists_that_make_no_recipes_are_refused(variation: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        named(BASE, [{"epochs": 7}, variation], True, "there")


# --- properties ---


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({}, "CIFAR-10"),
        ({"source": "cifar100"}, "CIFAR-100"),
        ({"source": "synthetic"}, "synthetic images"),
        ({"source": "image_folder", "folder": "some/animals/"}, "animals"),
        ({"label": "mine"}, "mine"),
    ],
)
def test_images_have_a_name(images: dict[str, Any], expected: str):
    assert Images(**images).name == expected


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "fastest"])
@pytest.mark.parametrize("fastest", ["float32", "bfloat16"])
def test_only_the_fastest_precision_is_that_of_the_device(precision: str, fastest: Any):
    recipe = vary(BASE, {"precision": precision}).resolved(fastest)
    expected = vary(BASE, {"precision": fastest if precision == "fastest" else precision})
    assert recipe == expected
    assert recipe.digest == expected.digest


def test_the_modules_of_a_recipes_kinds():
    recipe = vary(BASE, {"normalisation": "none", "activation": "tanh", "initialisation": "orthogonal"})
    expected = ["normalisation.none", "activation.tanh", "initialisation.orthogonal"]
    assert recipe.kinds == [f"repro.networks.{kind}" for kind in expected]


def test_the_label_in_tables_names_the_place_unless_everywhere():
    assert BASE.normalisation_label == "batch"
    assert vary(BASE, {"place": "after_activation"}).normalisation_label == "batch-after_activation"
