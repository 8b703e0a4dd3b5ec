"""The configuration: what is refused and how, overlays, and what the experiments ask for together."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repro.machine.errors import UserError
from repro.settings.configuration import Configuration, load, validate

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATIONS = sorted(ROOT.glob("config/*.yaml"))
EXAMPLES = sorted(ROOT.glob("config/examples/*.yaml"))


def changed(*path: str | int, value: object) -> dict[str, Any]:
    """A valid configuration with one setting changed."""
    settings: dict[str, Any] = {
        "name": "x",
        "experiments": {"training_curves": {"recipes": [{"learning_rate": 0.1, "epochs": 3}]}},
    }
    place: Any = settings
    for part in path[:-1]:
        place = place[part] if isinstance(place, list) else place.setdefault(part, {})
    place[path[-1]] = value
    return settings


def asking(**experiments: dict[str, Any]) -> Configuration:
    """A configuration of a small base recipe with these experiments."""
    return validate({"name": "x", "recipe": {"depth": 8}, "experiments": experiments})


# --- defaults and shipped files ---


def test_the_defaults_are_the_papers():
    configuration = validate({"name": "x"})
    recipe = configuration.recipe
    assert (recipe.depth, recipe.batch_size, recipe.images.source) == (110, 128, "cifar10")
    assert (recipe.learning_rate, recipe.epochs, recipe.momentum, recipe.weight_decay) == (0.1, 165, 0.9, 5e-4)
    assert (recipe.normalisation, recipe.place, recipe.initialisation) == ("batch", "everywhere", "xavier_normal")
    curves = configuration.settings_of("training_curves")
    assert curves.seeds == 5
    published = {("batch", 0.1): 165, ("batch", 0.003): 1320, ("batch", 0.0001): 2400, ("none", 0.0001): 2400}
    found = configuration.recipes_of("training_curves").values()
    assert {(each.normalisation_label, each.learning_rate): each.epochs for each in found} == published


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_write_to_folders_called_like_them(path: Path):
    assert load([str(path)]).name == path.stem


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_shipped_configurations_serve_for_a_smaller_network_too(path: Path):
    assert load([str(path), "{recipe: {depth: 8}}"]).recipe.depth == 8


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid_overlays(path: Path):
    load([str(ROOT / "config/quick.yaml"), str(path)])


def test_the_papers_grid_is_six_rates_with_and_without_and_one_final():
    found = load([str(ROOT / "config/paper.yaml")]).recipes_of("training_curves").values()
    rates: dict[str, set[float]] = {"batch": set(), "none": set(), "batch-final": set()}
    for recipe in found:
        rates[recipe.normalisation_label].add(recipe.learning_rate)
    six = {0.1, 0.003, 0.001, 0.0003, 0.0001, 0.00003}
    assert rates == {"batch": six, "none": six, "batch-final": {0.03}}
    epochs = {(each.normalisation_label, each.learning_rate): each.epochs for each in found}
    for recipe in validate({"name": "x"}).recipes_of("training_curves").values():
        assert epochs[recipe.normalisation_label, recipe.learning_rate] == recipe.epochs


def test_short_is_the_paper_with_a_tenth_of_the_epochs():
    paper, short = (load([str(ROOT / f"config/{name}.yaml")]) for name in ("paper", "short"))
    epochs = {
        (each.normalisation_label, each.learning_rate): each for each in paper.recipes_of("training_curves").values()
    }
    for recipe in short.recipes_of("training_curves").values():
        like = epochs[recipe.normalisation_label, recipe.learning_rate]
        assert 0.09 < recipe.epochs / like.epochs < 0.11
        assert recipe.model_copy(update={"epochs": like.epochs}) == like
    assert short.settings_of("training_curves").seeds == 3


# --- what is refused ---


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["recpie"], {}, "recpie is not a setting; did you mean 'recipe'? allowed here: "),
        (["recipe", "dept"], 8, "recipe.dept is not a setting; did you mean 'depth'?"),
        (["recipe", "images", "foldr"], "x", "recipe.images.foldr is not a setting; did you mean 'folder'?"),
        (["experiments", "fig5"], {}, "experiments.fig5 is not a setting; allowed here: "),
        (["experiments", "training_curves", "after"], [1.0], "experiments.training_curves.after is not a setting"),
        (["recipe", "depth"], "110", "recipe.depth should be a valid integer (given: '110')"),
        (["recipe", "depth"], 20.0, "recipe.depth should be a valid integer (given: 20.0)"),
        (["recipe", "depth"], True, "recipe.depth should be a valid integer (given: True)"),
        (["recipe", "depth"], 21, "recipe.depth: must be 6n+2 with n >= 1, like 8, 20, 32, 56 or 110"),
        (["recipe", "depth"], 2, "recipe.depth: must be 6n+2"),
        (["recipe", "depth"], 1208, "recipe.depth: must be at most 1202"),
        (["recipe", "shortcut"], "C", "recipe.shortcut should be 'A', 'B' or 'none' (given: 'C')"),
        (["recipe"], None, "recipe"),
        (["recipe", "normalisation"], "bacth", "recipe.normalisation: should be one of batch, batch_"),
        (["recipe", "normalisation"], "__init__", "recipe.normalisation: should be one of batch, batch_"),
        (
            ["recipe"],
            {"normalisation": "weight_standardisation", "place": "final"},
            "recipe: place: standardised kernels need a normalisation behind each of them; choose `everywhere`",
        ),
        (
            ["recipe", "groups"],
            3,
            "recipe.groups: must divide the 16 channels of a stage; choose one of 1, 2, 4, 8, 16",
        ),
        (
            ["recipe"],
            {"normalisation": "skip_init", "place": "final"},
            "recipe: place: SkipInit stands at the end of residual branches; choose `everywhere`, or another",
        ),
        (
            ["recipe"],
            {"normalisation": "skip_init", "shortcut": "none"},
            "recipe: shortcut: SkipInit stands at the end of residual branches; choose `A` or `B`, or another",
        ),
        (["recipe", "groups"], 32, "recipe.groups: must divide the 16 channels of a stage"),
        (["recipe", "groups"], 0, "recipe.groups: must divide the 16 channels of a stage"),
        (["recipe", "gain"], 0, "recipe.gain should be greater than 0 (given: 0)"),
        (["recipe", "gain"], float("inf"), "recipe.gain should be a finite number"),
        (["recipe", "dropout"], 1, "recipe.dropout should be less than 1 (given: 1)"),
        (["recipe", "averaging_momentum"], 0, "recipe.averaging_momentum should be greater than 0 (given: 0)"),
        (["recipe", "averaging_momentum"], 1.1, "recipe.averaging_momentum should be less than or equal to 1"),
        (["recipe", "renormalisation_start"], 0, "recipe.renormalisation_start should be greater than or equal to 1"),
        (["recipe", "activation"], "../x", "recipe.activation: should be one of relu, "),
        (["recipe", "initialisation"], 3, "recipe.initialisation should be a valid string (given: 3)"),
        (["recipe", "place"], "start", "recipe.place should be 'everywhere', 'after_activation' or 'final'"),
        (["recipe", "images", "source"], "imagenet", "'synthetic', 'cifar10', 'cifar100' or 'image_folder'"),
        (["recipe", "images", "train_images"], 0, "recipe.images.train_images should be greater than or equal to 1"),
        (["recipe", "images", "label"], "a\nb", "recipe.images.label: must be one line of printable characters"),
        (["recipe", "learning_rate"], 0, "learning_rate should be greater than 0"),
        (["recipe", "learning_rate"], -1e-3, "learning_rate should be greater than 0"),
        (["recipe", "learning_rate"], "fast", "learning_rate should be a valid number"),
        (["recipe", "learning_rate"], float("inf"), "learning_rate should be a finite number"),
        (["recipe", "learning_rate"], float("nan"), "learning_rate should be"),
        (["recipe", "epochs"], 1.5, "epochs should be a valid integer"),
        (["recipe", "epochs"], 10**10, "epochs: must be at most 1000000000"),
        (["recipe", "momentum"], 1.0, "recipe.momentum should be less than 1"),
        (["recipe", "augmentation"], "yes", "recipe.augmentation should be a valid boolean"),
        (["recipe", "batch_size"], 1, "batch_size should be greater than or equal to 2"),
        (["recipe", "batch_size"], 10**400, "batch_size: must be at most 1000000000"),
        (["recipe", "drops"], [0.0], "recipe.drops.0 should be greater than 0"),
        (["training", "keep"], [0.5, 0.1, 0.5], "training.keep: 0.5 is listed 2 times; keep one"),
        (["training", "keep"], [0.0], "training.keep.0 should be greater than 0"),
        (["training", "networks_at_once"], 0, "training.networks_at_once should be greater than or equal to 1"),
        (["device"], "gpu", "device should be 'auto', 'cpu' or 'cuda'"),
        (["name"], "published", "kept for the tables that ship"),
        (["name"], "a/b", "name"),
        (["name"], "..", "name"),
        (["name"], "", "name"),
        (["experiments", "activation_growth", "after"], [], "experiments.activation_growth.after should have at least"),
        (["experiments", "activation_growth", "after"], [0, 0], "after: 0 is listed 2 times; keep one"),
        (["experiments", "activation_growth", "after"], [1.5], "after.0 should be less than or equal to 1"),
        (["experiments", "activation_growth", "recipes"], [], "activation_growth.recipes should have at least 1"),
        (["experiments", "activation_growth", "recipes"], {"depth": 8}, "recipes should be a valid list"),
        (["experiments", "activation_growth", "recipes"], ["none"], "recipes.0 should be a valid dictionary"),
        (
            ["experiments", "channel_gradients", "layer"],
            110,
            "layer 110 is not a convolution of a network of depth 110",
        ),
        (["experiments", "input_independence", "layers"], [18, 200], "layer 200 is not a convolution"),
        (["experiments", "step_landscape", "step_minimum"], 1.0, "step_minimum must be smaller than step_maximum"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(path: list, value: object, expected: str):
    with pytest.raises(UserError) as error:
        validate(changed(*path, value=value))
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variation", "expected"),
    [
        (
            {"learnin_rate": 0.1},
            "1.learnin_rate is not a setting; did you mean 'learning_rate'? allowed here: activation",
        ),
        ({"images": {"sauce": "x"}}, "1.images.sauce is not a setting; did you mean 'source'? allowed here: archive, "),
        ({"images": "cifar10"}, "1.images should be a valid dictionary or instance of Images (given: 'cifar10')"),
        ({"normalisation": "bacth"}, "1.normalisation: should be one of batch, batch_"),
        ({"learning_rate": "fast"}, "1.learning_rate should be a valid number"),
        ({"depth": 9}, "1.depth: must be 6n+2"),
        ({"normalisation": "none", "place": "final"}, "1: place: there is no normalisation to place"),
        ({"images": {"source": "synthetic", "archive": "x"}}, "1.images: archive is for cifar10 and cifar100, not for"),
    ],
)
def test_a_mistake_in_a_recipe_of_an_experiment_is_named_with_its_place(variation: dict[str, Any], expected: str):
    recipes = [{"normalisation": "none"}, variation]
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {"activation_growth": {"recipes": recipes}}})
    assert f"Configuration: experiments.activation_growth.recipes.{expected}" in str(error.value)


@pytest.mark.parametrize("experiment", ["training_curves", "diverging_update"])
def test_a_recipe_listed_twice_is_refused(experiment: str):
    recipes = [{"epochs": 3}, {"epochs": 4}, {"epochs": 3}]
    with pytest.raises(
        UserError, match=rf"experiments\.{experiment}\.recipes: batch-epochs3 is listed twice; keep one"
    ):
        asking(**{experiment: {"recipes": recipes}})


def test_untrained_networks_that_are_the_same_are_refused():
    rates = [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    with pytest.raises(UserError, match="batch is listed twice, the same network before training; keep one"):
        asking(activation_growth={"recipes": rates})
    assert list(asking(activation_growth={"recipes": rates, "after": [0, 1]}).recipes_of("activation_growth")) == [
        "batch",
        "batch-lr0.2",
    ]


@pytest.mark.parametrize(
    ("setting", "value"), [("archive", "a.tar.gz"), ("mirrors", ["https://x"]), ("positions", "x")]
)
def test_what_is_of_the_official_archives_is_only_for_cifar(setting: str, value: object):
    with pytest.raises(UserError, match=f"{setting} (is|are) for cifar10 and cifar100, not for synthetic; remove"):
        validate({"name": "x", "recipe": {"images": {"source": "synthetic", setting: value}}})


def test_several_mistakes_are_all_named():
    with pytest.raises(UserError) as error:
        validate({"nam": "x", "recipe": {"batch_size": 0}})
    for part in ("name is missing", "nam is not a setting", "recipe.batch_size should be"):
        assert part in str(error.value)


@pytest.mark.parametrize("value", [None, [], "quick", 3])
def test_a_configuration_is_a_mapping(value: object):
    with pytest.raises(UserError, match="must be a mapping of settings"):
        validate(value)


def test_an_empty_configuration_says_what_to_give():
    with pytest.raises(UserError, match="add one, like --configfile"):
        validate({})


def test_a_layer_is_checked_against_every_recipe():
    recipes = [{"depth": 110}, {"depth": 20}]
    asking(channel_gradients={"layer": 19, "recipes": recipes})
    with pytest.raises(UserError, match=r"layer 20 is not a convolution of a network of depth 20; choose 1 to 19"):
        asking(channel_gradients={"layer": 20, "recipes": recipes})


# --- what experiments look at, and what is trained for them ---


def test_after_is_among_what_training_keeps():
    assert asking(activation_growth={"after": [0, 0.1, 1.0]}).needs_training("activation_growth")
    with pytest.raises(UserError) as error:
        asking(activation_growth={"after": [0, 0.3]})
    assert str(error.value) == (
        "Configuration: experiments.activation_growth.after: networks are not kept after a share 0.3 of training; "
        "choose from 0, 0.02, 0.1, 0.5, 1, or add it to training.keep"
    )
    with_it = {"name": "x", "training": {"keep": [0.3]}, "experiments": {"activation_growth": {"after": [0.3]}}}
    assert list(validate(with_it).runs) == ["batch", "none"]


def test_an_experiment_that_is_not_made_may_look_after_any_share():
    """`training.keep` is set for those that are."""
    configuration = validate({"name": "x", "training": {"keep": [0.3]}, "experiments": {"limiting_spectrum": {}}})
    assert configuration.runs == {}


def test_the_experiments_that_are_named_are_made_or_all_where_none_is():
    everything = validate({"name": "x"}).chosen
    assert validate({"name": "x", "experiments": {}}).chosen == everything
    assert {"training_curves", "activation_growth", "limiting_spectrum"} < set(everything)
    # In the paper's order, not in the file's.
    assert asking(limiting_spectrum={}, activation_growth={}).chosen == ["activation_growth", "limiting_spectrum"]


def test_two_experiments_that_ask_for_the_same_recipe_share_its_training():
    configuration = asking(
        training_curves={"recipes": [{"learning_rate": 0.5}, {}], "seeds": 2},
        activation_growth={"recipes": [{"normalisation": "none"}, {"learning_rate": 0.5}], "seeds": 4, "after": [0.1]},
        output_gradients={"recipes": [{"learning_rate": 0.7}], "seeds": 9},
    )
    assert {run.name: run.seeds for run in configuration.runs.values()} == {"batch-lr0.5": 4, "batch": 2, "none": 4}
    assert list(configuration.runs) == [run.name for run in configuration.runs.values()]
    assert configuration.run("batch").recipe == configuration.recipe
    assert configuration.run("batch-lr0.5").recipe.learning_rate == 0.5
    with pytest.raises(
        UserError, match=r"No experiment .* trains 'batch-lr0\.7'; they train batch-lr0\.5, batch, none"
    ):
        configuration.run("batch-lr0.7")


def test_what_looks_at_untrained_networks_alone_trains_nothing():
    configuration = asking(activation_growth={}, diverging_update={}, limiting_spectrum={})
    assert configuration.runs == {}
    assert not any(map(configuration.needs_training, configuration.chosen))
    with pytest.raises(UserError, match="trains 'batch'; they train nothing"):
        configuration.run("batch")


TRAINING_SETTINGS = {
    "learning_rate": 0.7,
    "drops": [0.3],
    "epochs": 7,
    "momentum": 0.7,
    "weight_decay": 0.7,
    "augmentation": False,
    "precision": "bfloat16",
}


@pytest.mark.parametrize("field", TRAINING_SETTINGS)
def test_untrained_experiments_do_not_depend_on_what_decides_training_alone(field: str):
    experiments: dict[str, Any] = {
        "activation_growth": {},
        "output_gradients": {"after": [0, 1]},
        "diverging_update": {"recipes": [{}]},
        "training_curves": {"recipes": [{}]},
        "limiting_spectrum": {},
    }
    before, after = (
        validate({"name": "x", "recipe": recipe, "experiments": experiments})
        for recipe in ({}, {field: TRAINING_SETTINGS[field]})
    )
    depends = {name for name in before.chosen if before.part_of(name) != after.part_of(name)}
    assert depends == {"output_gradients", "diverging_update", "training_curves"}


def test_untrained_experiments_depend_on_the_networks_and_their_images():
    experiments = {"activation_growth": {}, "limiting_spectrum": {}}
    recipes = [{}, {"depth": 8}, {"batch_size": 16}, {"dropout": 0.1}, {"images": {"train_images": 1000}}]
    configurations = [validate({"name": "x", "recipe": recipe, "experiments": experiments}) for recipe in recipes]
    parts = [json.dumps(configuration.part_of("activation_growth")) for configuration in configurations]
    assert len(set(parts)) == len(parts)
    assert len({json.dumps(each.part_of("limiting_spectrum")) for each in configurations}) == 1


def test_a_part_has_the_experiments_own_settings_and_whole_recipes():
    configuration = asking(activation_growth={"seeds": 3}, limiting_spectrum={"factors": [2]})
    part = configuration.part_of("activation_growth")
    assert part["settings"] == {"seeds": 3, "after": [0.0]}
    assert part["recipes"]["none"]["depth"] == 8
    assert not part["trained"]
    assert configuration.part_of("limiting_spectrum") == {
        "name": "x",
        "experiment": "limiting_spectrum",
        "settings": {"factors": [2]},
    }


def test_the_part_of_a_run_says_what_is_trained_and_kept():
    configuration = asking(training_curves={"recipes": [{"epochs": 3}], "seeds": 2})
    part = configuration.part_of_run(configuration.run("batch-epochs3"))
    assert (part["run"], part["seeds"], part["keep"]) == ("batch-epochs3", 2, [0.02, 0.1, 0.5, 1.0])
    assert (part["recipe"]["epochs"], part["recipe"]["depth"]) == (3, 8)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_the_resolved_configuration_is_the_same_again(path: Path):
    configuration = load([str(path)])
    resolved = configuration.resolved()
    again = validate(json.loads(json.dumps(resolved)))
    assert again.resolved() == resolved
    assert again.chosen == configuration.chosen
    assert again.runs == configuration.runs
    assert [again.part_of(name) for name in again.chosen] == [configuration.part_of(name) for name in again.chosen]


def test_files_are_in_the_configurations_folders():
    configuration = asking(training_curves={}, activation_growth={"after": [0.5]})
    assert configuration.table_file("activation_growth").parent == Path("results/x")
    assert configuration.table_file("fig1") == configuration.table_file("training_curves")
    assert configuration.history_file("batch") == Path("results/x/training/batch.parquet")
    assert configuration.networks_file("batch", 0.5) == Path("results/x/networks/batch/after0.5.pt")
    assert configuration.networks_file("batch", 1.0).name == "after1.pt"
    assert configuration.images_file(configuration.recipe.images).parent == Path("results/x/images")
    assert configuration.figures_folder == Path("paper_figures/x")


# --- overlays ---


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path):
    base = tmp_path / "base.yaml"
    base.write_text("name: base\nrecipe: {depth: 20, shortcut: A, images: {mirrors: [a, b]}}\n")
    configuration = load([str(base), "{name: top, recipe: {depth: 8, images: {mirrors: [c]}}}"])
    assert configuration.name == "top"
    assert (configuration.recipe.depth, configuration.recipe.shortcut) == (8, "A")
    assert configuration.recipe.images.mirrors == ["c"]


def test_what_a_file_names_twice_with_an_alias_is_overlaid_once(tmp_path: Path):
    base = tmp_path / "base.yaml"
    base.write_text("name: base\nexperiments: {activation_growth: &few {seeds: 2}, output_gradients: *few}\n")
    configuration = load([str(base), "{experiments: {activation_growth: {seeds: 3}}}"])
    assert configuration.settings_of("activation_growth").seeds == 3
    assert configuration.settings_of("output_gradients").seeds == 2


def test_numbers_without_a_dot_are_numbers():
    """YAML 1.1 reads 1e-4 as a string."""
    numbers = "recipe: {learning_rate: 1e-4}, training: {keep: [1e-1]}, experiments: {training_curves: {}}"
    configuration = load([f"{{name: x, {numbers}}}"])
    assert configuration.recipe.learning_rate == 1e-4
    assert configuration.training.keep == [0.1]
    recipes = "{name: x, experiments: {training_curves: {recipes: [{learning_rate: 1e-4}]}}}"
    assert list(load([recipes]).runs) == ["batch-lr0.0001"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: [", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"", "must be a mapping"),
        (b"just text", "must be a mapping"),
        (b"name: !!python/object:os.system x", "is not valid YAML"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.yaml") as error:
        load([str(path)])
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read \(No such file or directory\)"):
        load(["nowhere.yaml"])


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        load([str(tmp_path)])


# --- speed ---


def test_settings_are_read_without_heavy_libraries():
    """Planning a workflow and completing a command line must not wait for them."""
    heavy = ("torch", "torchvision", "pandas", "scipy", "matplotlib", "snakemake", "grimp")
    code = f"import sys, repro.settings.reference; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_small_numbers_in_recipes_are_numbers_again_after_json():
    recipes = {"weight_decay": {"recipes": [{"weight_decay": [1e-05, 0.1]}]}}
    configuration = validate({"name": "x", "experiments": recipes})
    written = json.dumps(configuration.resolved())
    assert "1e-05" in written
    assert load([written]).resolved() == configuration.resolved()
