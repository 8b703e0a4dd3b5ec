"""The configuration: what is refused and how, and that what is generated from it is in step with it."""

import ast
import contextlib
import io
import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_origin

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement

from repro import config, config_reference, jobs
from repro.__main__ import main
from repro.config_errors import section_of
from repro.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATIONS = sorted(ROOT.glob("config/*.yaml"))


def changed(*path: str | int, value: object) -> dict[str, Any]:
    """A valid configuration with one setting changed."""
    settings: dict[str, Any] = {
        "name": "x",
        "training": {"conditions": [{"normalisation": "batch", "learning_rate": 0.1, "epochs": 3}]},
    }
    place: Any = settings
    for part in path[:-1]:
        place = place[part] if isinstance(place, list) else place.setdefault(part, {})
    place[path[-1]] = value
    return settings


# --- defaults and shipped files ---


def test_the_defaults_are_the_papers():
    configuration = config.validate({"name": "x"})
    assert configuration.network.depth == 110
    assert configuration.batch_size == 128
    assert configuration.data.source == "cifar10"
    training = configuration.training
    assert (training.seeds, training.momentum, training.weight_decay) == (5, 0.9, 5e-4)
    published = {"batch-0.1": 165, "batch-0.003": 1320, "batch-0.0001": 2400, "none-0.0001": 2400}
    assert {condition.name: condition.epochs for condition in training.conditions} == published


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_write_to_folders_called_like_them(path: Path):
    assert config.load([str(path)]).name == path.stem


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_shipped_configurations_serve_for_a_smaller_network_too(path: Path):
    assert config.load([str(path), "{network: {depth: 8}}"]).network.depth == 8


def test_the_papers_grid_is_six_rates_with_and_without_and_one_final():
    conditions = config.load([str(ROOT / "config/paper.yaml")]).training.conditions
    rates = {"batch": set(), "none": set(), "final": set()}
    for condition in conditions:
        rates[condition.normalisation].add(condition.learning_rate)
    six = {0.1, 0.003, 0.001, 0.0003, 0.0001, 0.00003}
    assert rates == {"batch": six, "none": six, "final": {0.03}}
    names = {condition.name: condition.epochs for condition in conditions}
    for condition in config.PAPER_CONDITIONS:
        assert names[condition.name] == condition.epochs


def test_short_is_the_paper_with_a_tenth_of_the_epochs():
    paper = config.load([str(ROOT / "config/paper.yaml")])
    short = config.load([str(ROOT / "config/short.yaml")])
    assert (short.network, short.data, short.batch_size) == (paper.network, paper.data, paper.batch_size)
    epochs = {condition.name: condition.epochs for condition in paper.training.conditions}
    for condition in short.training.conditions:
        assert 0.09 < condition.epochs / epochs[condition.name] < 0.11
    assert short.training.seeds == 3
    assert short.training.depth is None


# --- what is refused ---


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["netwrok"], {}, "netwrok is not a setting; did you mean 'network'? allowed here: "),
        (["network", "dept"], 8, "network.dept is not a setting; did you mean 'depth'?"),
        (["training", "conditions", 0, "rate"], 1, "training.conditions.0.rate is not a setting; "),
        (["experiments", "fig5"], {}, "experiments.fig5 is not a setting; allowed here: "),
        (["experiments", "training_curves", "seeds"], 2, "experiments.training_curves.seeds is not a setting"),
        (["network", "depth"], "110", "network.depth should be a valid integer (given: '110')"),
        (["network", "depth"], 20.0, "network.depth should be a valid integer (given: 20.0)"),
        (["network", "depth"], True, "network.depth should be a valid integer (given: True)"),
        (["network", "depth"], 21, "network.depth: must be 6n+2 with n >= 1, like 8, 20, 32, 56 or 110"),
        (["network", "depth"], 2, "network.depth: must be 6n+2"),
        (["network", "shortcut"], "C", "network.shortcut should be 'A' or 'B' (given: 'C')"),
        (["network"], None, "network"),
        (["data", "source"], "imagenet", "'synthetic', 'cifar10', 'cifar100' or 'image_folder'"),
        (["data", "train_images"], 0, "data.train_images should be greater than or equal to 1 (given: 0)"),
        (["training", "conditions"], [], "training.conditions"),
        (["training", "conditions"], {"batch": 0.1}, "training.conditions should be a valid list"),
        (["training", "conditions", 0, "learning_rate"], 0, "learning_rate should be greater than 0"),
        (["training", "conditions", 0, "learning_rate"], -1e-3, "learning_rate should be greater than 0"),
        (["training", "conditions", 0, "learning_rate"], "fast", "learning_rate should be a valid number"),
        (["training", "conditions", 0, "learning_rate"], float("inf"), "learning_rate should be a finite number"),
        (["training", "conditions", 0, "learning_rate"], float("nan"), "learning_rate should be"),
        (["training", "conditions", 0, "epochs"], 1.5, "epochs should be a valid integer"),
        (["training", "momentum"], 1.0, "training.momentum should be less than 1"),
        (["training", "augmentation"], "yes", "training.augmentation should be a valid boolean"),
        (["batch_size"], 1, "batch_size should be greater than or equal to 2"),
        (["device"], "gpu", "device should be 'auto', 'cpu' or 'cuda'"),
        (["name"], "published", "kept for the tables that ship"),
        (["name"], "a/b", "name"),
        (["name"], "..", "name"),
        (["name"], "", "name"),
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
        config.validate(changed(*path, value=value))
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_condition_listed_twice_is_refused():
    condition = {"normalisation": "batch", "learning_rate": 0.1, "epochs": 3}
    with pytest.raises(UserError, match=r"batch-0\.1 is listed 2 times; keep one"):
        config.validate({"name": "x", "training": {"conditions": [condition, condition | {"epochs": 4}]}})


def test_an_archive_is_only_for_cifar():
    with pytest.raises(UserError, match="archive is for cifar10 and cifar100, not for synthetic"):
        config.validate({"name": "x", "data": {"source": "synthetic", "archive": "a.tar.gz"}})


def test_several_mistakes_are_all_named():
    with pytest.raises(UserError) as error:
        config.validate({"nam": "x", "batch_size": 0})
    for part in ("name is missing", "nam is not a setting", "batch_size should be"):
        assert part in str(error.value)


@pytest.mark.parametrize("value", [None, [], "quick", 3])
def test_a_configuration_is_a_mapping(value: object):
    with pytest.raises(UserError, match="must be a mapping of settings"):
        config.validate(value)


def test_an_empty_configuration_says_what_to_give():
    with pytest.raises(UserError, match="add one, like --configfile"):
        config.validate({})


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.e-4", ".0001", "0.0001", "1.0e-04", "+1e-4"])
def test_numbers_may_be_written_like_numbers(text: str):
    """YAML 1.1 reads some of these as strings."""
    overlay = f"{{name: x, training: {{conditions: [{{normalisation: none, learning_rate: {text}, epochs: 1}}]}}}}"
    condition = config.load([overlay]).training.conditions[0]
    assert condition.learning_rate == 1e-4
    assert condition.name == "none-0.0001"


# --- overlays ---


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path):
    base = tmp_path / "base.yaml"
    base.write_text("name: base\nnetwork: {depth: 20, shortcut: A}\ndata: {mirrors: [a, b]}\n")
    configuration = config.load([str(base), "{name: top, network: {depth: 8}, data: {mirrors: [c]}}"])
    assert configuration.name == "top"
    assert (configuration.network.depth, configuration.network.shortcut) == (8, "A")
    assert configuration.data.mirrors == ["c"]


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
        config.load([str(path)])
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read \(No such file or directory\)"):
        config.load(["nowhere.yaml"])


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        config.load([str(tmp_path)])


# --- experiments ---


def test_an_unknown_experiment_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r"no experiment 'fig77'.*activation_growth \(fig5\)"):
        config.experiment_entry("fig77")


def test_experiments_are_found_by_name_and_item():
    for name in config.experiment_names():
        entry = config.experiment_entry(name)
        assert entry == config.experiment_entry(entry["item"])
        assert entry["name"] == name
    items = [config.experiment_entry(name)["item"] for name in config.experiment_names()]
    assert len(set(items)) == len(items)
    assert set(items) >= {f"fig{number}" for number in range(1, 10)} | {"table1"}


# --- fuzzing ---


def keys(section: type[config.Section] = config.Configuration) -> set[str]:
    """Every setting's name, so that fuzzing gets past the first level."""
    found = set(section.model_fields)
    for field in section.model_fields.values():
        inner = section_of(field.annotation)
        if isinstance(inner, type) and issubclass(inner, config.Section):
            found |= keys(inner)
    return found


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
LEAVES |= st.sampled_from(["1e-4", "batch", "none", "synthetic", "cuda", "quick", 8, 110, 0.1, 128, 10**400])
KEYS = st.sampled_from(sorted(keys())) | st.text(max_size=5) | st.integers() | st.none() | st.dates()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
# Pieces of YAML, so that random texts say something.
PIECES = [
    "name: x",
    "network:",
    "  depth: 8",
    "depth",
    "&a",
    "*a",
    "!!int ",
    "!!bool ",
    "!!timestamp ",
    "!!set ",
    "<<: ",
]
PIECES += [
    ": ",
    "? ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "|",
    ">",
    '"',
    "'",
    "\n",
    "\n  ",
    "\\n",
    "\\ud800",
    "#",
    "%YAML 9",
    "---",
]
PIECES += ["0x_", "0b_", "1:60", "2001-99-99", ".inf", ".nan", "1e400", "~", "=", "\t", "\x00", "é"]
FUZZ = settings(derandomize=True, max_examples=300, deadline=None)


def complaint(settings_or_overlays: object) -> str | None:
    """What is said about a configuration, None when it is accepted; any other exception fails the test."""
    try:
        if isinstance(settings_or_overlays, list):
            accepted = config.load(settings_or_overlays)
        else:
            accepted = config.validate(settings_or_overlays)
    except UserError as error:
        said = str(error)
    else:
        passed_on_unchanged(accepted)
        return None
    assert "\n" not in said
    assert len(said) < 10_000
    return said


def passed_on_unchanged(accepted: config.Configuration) -> None:
    """The workflow's jobs get what was accepted."""
    part = jobs.for_condition(accepted, accepted.training.conditions[0].name)
    passed_on = config.load([json.dumps(part, ensure_ascii=False)])
    assert jobs.for_condition(passed_on, accepted.training.conditions[0].name) == part


@FUZZ
@given(VALUES.filter(lambda value: not isinstance(value, list)))
def test_anything_at_all_is_a_configuration_or_a_sentence(value: object):
    complaint(value)


def paths(section: type[config.Section] = config.Configuration) -> list[list[str | int]]:
    """Where each setting is; in lists of sections, in the first item."""
    found: list[list[str | int]] = []
    for name, field in section.model_fields.items():
        found.append([name])
        inner = section_of(field.annotation)
        if isinstance(inner, type) and issubclass(inner, config.Section):
            below: list[str | int] = [name, 0] if get_origin(field.annotation) is list else [name]
            found += [[*below, *path] for path in paths(inner)]
    return found


@FUZZ
@given(st.sampled_from(paths()), VALUES)
@example(["data", "label"], "\U0001f600")
@example(["data", "folder"], "\x00")
@example(["data", "mirrors"], ["\ud800"])
@example(["training", "seeds"], 10**400)
@example(["training", "conditions", 0, "learning_rate"], 10**400)
@example(["network", "depth"], 6 * 10**400 + 2)
@example(["device"], "gpu" * 10_000)
@example(["network"], {"a\nb" * 1000: 1})
def test_any_value_of_any_setting_is_accepted_or_explained(path: list[str | int], value: object):
    said = complaint(changed(*path, value=value))
    assert said is None or said.startswith("Configuration: ")


@FUZZ
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("a: &a [*a]")
@example("&a {network: *a}")
@example("? {a: b} : c")
@example("2001-99-99: 1")
@example("a: !!bool maybe")
@example("a: !!timestamp now")
@example("[" * 3000)
@example("{name: x, network: " * 3000 + "1" + "}" * 3000)
@example("batch_size: 0x" + "f" * 9999)
@example("batch_size: 1" + "0" * 9999)
@example('name: x\n"a\\nb": 1')
def test_any_text_is_a_configuration_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str):
    """In a file, laid over itself, and inline."""
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    complaint([str(path)])
    complaint([str(path), str(path)])
    complaint(["{" + text])
    complaint(["{" + text + "}", str(path)])


@FUZZ
@given(st.binary(max_size=30) | VALUES.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode()))
def test_any_file_ends_a_step_with_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """Whatever is in it, there is no condition of that name."""
    path = tmp_path_factory.getbasetemp() / "step.yaml"
    path.write_bytes(content)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(["train", "no such condition", "--threads", "1", "--config", str(path)])
    assert code == 2
    assert said.getvalue().startswith("Error: ")
    assert said.getvalue().count("\n") == 1


# --- generated files and other files that name the same things ---


def test_the_schema_is_in_step():
    path = ROOT / "workflow/schemas/configuration.schema.json"
    assert json.loads(path.read_text()) == config.Configuration.model_json_schema(), "run `python -m repro schema`"


def test_the_reference_page_is_in_step():
    path = ROOT / "docs/configuration.md"
    assert path.read_text() == config_reference.reference_page(), "run `python -m repro schema`"


def test_the_reference_page_names_every_setting():
    page = config_reference.reference_page()
    for key in keys():
        assert re.search(rf"`[\w.\[\]]*\b{key}`", page), key


def test_planning_imports_no_heavy_library():
    """The Snakefile imports these two; a plan must not wait for torch."""
    light = {
        "__future__",
        "ast",
        "collections",
        "dataclasses",
        "difflib",
        "functools",
        "hashlib",
        "json",
        "os",
        "pathlib",
        "re",
        "typing",
        "yaml",
        "pydantic",
        "repro",
    }
    for module in ("config", "dependencies", "errors", "__init__"):
        for node in ast.walk(ast.parse((ROOT / "repro" / f"{module}.py").read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= light, module


def test_conda_users_get_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    python = next(entry.removeprefix("python=") for entry in conda if entry.startswith("python="))
    given = dict(entry.split("==") for entry in pip["pip"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {Requirement(entry).name for entry in project["dependencies"]}
    assert python in Requirement(f"python{project['requires-python']}").specifier
    assert given == {name: locked_version(name, python) for name in wanted}


def locked_version(name: str, python: str) -> str:
    """The version in uv.lock for a Python on Linux."""
    platform = {"python_full_version": f"{python}.0", "sys_platform": "linux"}
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    versions = [
        package["version"]
        for package in packages
        if package["name"] == name
        and any(
            Marker(marker).evaluate(platform) for marker in package.get("resolution-markers", ["python_version > '3'"])
        )
    ]
    assert len(versions) == 1, (name, versions)
    return versions[0]
