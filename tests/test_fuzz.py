"""Damaged, swapped and forged files: the very content or one sentence, never a traceback, never another's figure.

Examples are the same in every run. What a table with right checksums cannot hold, the code that reads it may well not
expect: that is the code's fault, and shown as such.
"""

import contextlib
import hashlib
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from repro.__main__ import main
from repro.experiments import showing
from repro.images import archive
from repro.machine.errors import UserError
from repro.results import sources, tables
from repro.settings import catalogue
from repro.settings.configuration import Configuration, load, validate
from repro.settings.experiment import number
from repro.settings.recipe import Recipe
from tests.settings.test_configuration import changed
from tests.settings.walk import paths
from tests.tiny import TINY

# Of both formats: text, whole numbers, missing numbers; of trained networks, untrained ones and none at all.
NAMES = ("input_independence", "condition_growth", "limiting_spectrum", "training_curves")
FUZZ = settings(derandomize=True, deadline=None, max_examples=200)


# --- configurations ---

RECIPE_PATHS = paths(Recipe)
PATHS: list[list[str | int]] = [*paths(Configuration)]
PATHS += [["experiments", "training_curves", "recipes", 0, *path] for path in RECIPE_PATHS]
PATHS += [["experiments", "activation_growth", "recipes", 0, *path] for path in RECIPE_PATHS]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
LEAVES |= st.sampled_from(["1e-4", "batch", "none", "synthetic", "cuda", "quick", 8, 110, 0.1, 128, 10**400])
KEYS = st.sampled_from(sorted({str(part) for path in PATHS for part in path})) | st.text(max_size=5)
KEYS |= st.integers() | st.none() | st.dates()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
# Pieces of YAML, so that random texts say something.
PIECES = ["name: x", "recipe:", "  depth: 8", "depth", "&a", "*a", "!!int ", "!!bool ", "!!timestamp ", "!!set "]
PIECES += ["<<: ", ": ", "? ", "- ", "[", "]", "{", "}", ", ", "|", ">", '"', "'", "\n", "\n  ", "\\n", "\\ud800", "#"]
PIECES += ["%YAML 9", "---", "0x_", "0b_", "1:60", "2001-99-99", ".inf", ".nan", "1e400", "~", "=", "\t", "\x00", "é"]


def complaint(settings_or_overlays: object) -> str | None:
    """What is said about a configuration, None when it is accepted; any other exception fails the test."""
    try:
        if isinstance(settings_or_overlays, list):
            accepted = load(settings_or_overlays)
        else:
            accepted = validate(settings_or_overlays)
    except UserError as error:
        said = str(error)
    else:
        passed_on_unchanged(accepted)
        return None
    assert "\n" not in said
    assert len(said) < 10_000
    return said


def passed_on_unchanged(accepted: Configuration) -> None:
    """The workflow's jobs get what was accepted."""
    resolved = accepted.resolved()
    again = load([json.dumps(resolved, ensure_ascii=False)])
    assert again.resolved() == resolved
    assert again.runs == accepted.runs


@FUZZ
@given(VALUES.filter(lambda value: not isinstance(value, list)))
def test_anything_at_all_is_a_configuration_or_a_sentence(value: object):
    complaint(value)


@settings(FUZZ, max_examples=500)
@given(st.sampled_from(PATHS), VALUES)
@example(["recipe", "images", "label"], "\U0001f600")
@example(["recipe", "images", "folder"], "\x00")
@example(["recipe", "images", "mirrors"], ["\ud800"])
@example(["experiments", "training_curves", "seeds"], 10**400)
@example(["experiments", "training_curves", "recipes", 0, "learning_rate"], 10**400)
@example(["experiments", "training_curves", "recipes", 0], {"a\nb" * 1000: 1})
@example(["experiments", "training_curves", "recipes", 0], {1: 2})
@example(["experiments", "training_curves", "recipes", 0], {"images": {1: 2}})
@example(["experiments", "training_curves", "recipes", 0, "images"], {"label": "\ud800"})
@example(["recipe", "depth"], 6 * 10**400 + 2)
@example(["recipe", "batch_size"], 10**400)
@example(["device"], "gpu" * 10_000)
@example(["recipe"], {"a\nb" * 1000: 1})
def test_any_value_of_any_setting_is_accepted_or_explained(path: list[str | int], value: object):
    said = complaint(changed(*path, value=value))
    assert said is None or said.startswith("Configuration: ")


@FUZZ
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("a: &a [*a]")
@example("&a {recipe: *a}")
@example("name: x\nexperiments: {training_curves: {recipes: [&a {images: *a}]}}")
@example("? {a: b} : c")
@example("2001-99-99: 1")
@example("a: !!bool maybe")
@example("a: !!timestamp now")
@example("[" * 3000)
@example("{name: x, recipe: " * 3000 + "1" + "}" * 3000)
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
    """Whatever is in it, there is no recipe of that name."""
    path = tmp_path_factory.getbasetemp() / "step.yaml"
    path.write_bytes(content)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(["train", "no such recipe", "--threads", "1", "--config", str(path)])
    assert code == 2
    assert said.getvalue().startswith("Error: ")
    assert said.getvalue().count("\n") == 1


# --- tables ---


def file_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.{catalogue.entry(name).table}"


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, tuple[pd.DataFrame, dict[str, Any], Path]]:
    """Measured tables, their provenance, and the folder where they lie."""
    folder = tmp_path_factory.mktemp("originals")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert step("train", "batch", "--threads", "1", "--config", TINY)
        for name in NAMES:
            assert step("measure", name, "--threads", "1", "--config", TINY)
    results = folder / "results/tiny"
    return {name: (*tables.read(file_of(results, name)), results) for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where damaged copies lie, one example's after the other."""
    return tmp_path_factory.mktemp("damaged")


def lay(folder: Path, name: str, content: bytes, companion: object) -> None:
    file = file_of(folder, name)
    file.write_bytes(content)
    text = companion if isinstance(companion, bytes) else json.dumps(companion).encode()
    file.with_suffix(".json").write_bytes(text)


def sign(companion: dict[str, Any], content: bytes) -> None:
    """Make both checksums right, as one who forges a table would."""
    companion["sha256"] = hashlib.sha256(content).hexdigest()
    companion.pop("companion_sha256", None)
    companion["companion_sha256"] = tables._digest(companion)


def outcome(act: Callable[[], Any]) -> Any:
    """What `act` returns, None when it refuses in one sentence; any other exception fails the test."""
    try:
        return act()
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    return None


def step(*arguments: str | Path) -> bool:
    """Whether a step of `python -m repro` did its work; else it said why in one sentence."""
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = main([str(argument) for argument in arguments])
    plt.close("all")
    if code:
        assert code == 2
        assert said.getvalue().startswith("Error: ")
        assert said.getvalue().count("\n") == 1
    return code == 0


# --- bytes ---


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with a bit flipped, a piece cut out or overwritten, or something inserted."""
    first = draw(st.integers(0, len(content) - 1))
    kind = draw(st.sampled_from(["flip", "insert", "overwrite", "cut out", "cut short"]))
    if kind == "flip":
        return content[:first] + bytes([content[first] ^ 1 << draw(st.integers(0, 7))]) + content[first + 1 :]
    if kind == "cut short":
        return content[:first]
    length = draw(st.integers(1, 40))
    if kind == "cut out":
        return content[:first] + content[first + length :]
    piece = draw(st.binary(min_size=1, max_size=8) | st.just(content[first : first + length]))
    return content[:first] + piece + content[first + (len(piece) if kind == "overwrite" else 0) :]


@FUZZ
@given(data=st.data(), name=st.sampled_from(NAMES), which=st.sampled_from(["table", "companion", "both"]))
def test_damaged_bytes_are_refused_or_change_nothing(originals, folder, data, name, which):
    table, provenance, source = originals[name]
    file = file_of(source, name)
    content, companion = file.read_bytes(), file.with_suffix(".json").read_bytes()
    if which != "companion":
        content = data.draw(damage(content))
    if which != "table":
        companion = data.draw(damage(companion))
    lay(folder, name, content, companion)
    found = outcome(lambda: tables.read(file_of(folder, name)))
    if found is not None:
        pd.testing.assert_frame_equal(found[0], table, check_exact=True)
        assert found[1] == provenance


# --- companions ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths of all that is inside nested mappings."""
    inner = [place for key in value for place in places(value[key], (*path, key))] if isinstance(value, dict) else []
    return [path, *inner]


@FUZZ
@given(data=st.data(), name=st.sampled_from(NAMES), value=JSON, signed=st.booleans(), lost=st.booleans())
def test_any_json_in_any_place_of_a_companion(originals, folder, data, name, value, signed, lost):
    table, provenance, source = originals[name]
    content = file_of(source, name).read_bytes()
    companion = json.loads(file_of(source, name).with_suffix(".json").read_text())
    *path, last = data.draw(st.sampled_from(places(companion)[1:]))
    parent = companion
    for key in path:
        parent = parent[key]
    assume(lost or parent[last] != value)
    if lost:
        del parent[last]
    else:
        parent[last] = value
    if signed:
        sign(companion, content)
    lay(folder, name, content, companion)
    found = outcome(lambda: showing.read(folder, name))
    if found is None:
        return
    pd.testing.assert_frame_equal(found[0], table, check_exact=True)
    said = outcome(lambda: sources.source_line(name, found[1]))
    assert said is None or isinstance(said, str)
    assert signed or found[1] == provenance


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "NaN", '"\\ud800"', "\ufeff{}"])
def test_a_companion_that_no_parser_likes(originals, folder, text):
    name = "input_independence"
    lay(folder, name, file_of(originals[name][2], name).read_bytes(), text.encode(errors="surrogatepass"))
    assert not step("show", name, "--tables", folder, "--figures", folder / "figures")


@pytest.mark.parametrize(("name", "other"), list(itertools.permutations(NAMES, 2)))
def test_another_experiments_table_is_never_drawn(originals, tmp_path, name, other):
    """Its table, its companion, both under the wrong name, and both with the name and the checksums forged."""
    source = originals[name][2]
    own, foreign = file_of(source, name), file_of(source, other)
    companions = [file.with_suffix(".json").read_bytes() for file in (own, foreign)]
    forged = json.loads(companions[1]) | {"table": own.name}
    sign(forged, foreign.read_bytes())
    for content, companion in (
        (foreign.read_bytes(), companions[0]),
        (own.read_bytes(), companions[1]),
        (foreign.read_bytes(), companions[1]),
        (foreign.read_bytes(), forged),
    ):
        lay(tmp_path, name, content, companion)
        assert not step("show", name, "--tables", tmp_path, "--figures", tmp_path / "figures")
        assert not step("figures", "--tables", tmp_path, "--figures", tmp_path / "figures")
        assert not step("scorecard", "--tables", tmp_path)
    assert not (tmp_path / "figures").exists()


# --- contents, with every checksum right ---

CELLS = st.sampled_from([np.nan, np.inf, -np.inf, 0, -1, 1e300, 1e-320, 10**18, None, "", "text", "1e5", True])


def with_cell(table: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    values = table[column].astype(object)
    values.iloc[row] = value
    return table.assign(**{column: values.infer_objects()})


@st.composite
def forged(draw: st.DrawFn, table: pd.DataFrame) -> pd.DataFrame:
    """The table with other columns, types, values or rows."""
    column = draw(st.sampled_from(list(table.columns)))
    row = draw(st.integers(0, len(table) - 1))
    kind = draw(st.sampled_from(["rename", "lose", "reorder", "type", "cell", "column", "repeat", "keep", "drop"]))
    if kind == "rename":
        return table.rename(columns={column: draw(st.sampled_from(["", "other", f"{column} ", column.upper()]))})
    if kind == "lose":
        return table.drop(columns=column)
    if kind == "reorder":
        return table[draw(st.permutations(list(table.columns)))]
    if kind == "type":
        return table.assign(**{column: table[column].map(draw(st.sampled_from([str, bool, hash])))})
    if kind == "cell":
        return with_cell(table, column, row, draw(CELLS))
    if kind == "column":
        return table.assign(**{column: draw(CELLS)})
    if kind == "repeat":
        return pd.concat([table, table.iloc[row:]], ignore_index=True)
    if kind == "keep":
        chosen = table[column] == table[column].iloc[row]
        return table[chosen if draw(st.booleans()) else ~chosen].reset_index(drop=True)
    return table.iloc[: draw(st.integers(0, 20))]


def write_forged(folder: Path, name: str, table: pd.DataFrame, provenance: dict[str, Any]) -> bool:
    """Whether the forged table can be written at all, with a companion that describes it."""
    try:
        tables.write(
            file_of(folder, name), table, dict.fromkeys(map(str, table.columns), number("meaning")), provenance
        )
    except (ValueError, TypeError, OverflowError):  # what Arrow has no type for
        return False
    return True


@FUZZ
@given(data=st.data(), name=st.sampled_from(NAMES), described=st.booleans())
def test_a_forged_table_is_read_only_as_what_it_is(originals, folder, data, name, described):
    """With its own description, or with that of the table it was made from."""
    table, provenance, source = originals[name]
    other = data.draw(forged(table))
    assume(write_forged(folder, name, other, provenance))
    if not described:
        companion = json.loads(file_of(source, name).with_suffix(".json").read_text())
        content = file_of(folder, name).read_bytes()
        sign(companion, content)
        lay(folder, name, content, companion)
    found = outcome(lambda: showing.read(folder, name))
    if found is not None:
        assert list(found[0].columns) == list(table.columns)
        assert described or len(found[0]) == len(table)
        assert len(found[0]) > 0
        tables.check(file_of(folder, name), found[0], catalogue.entry(name).columns)


@pytest.mark.filterwarnings("ignore")  # a figure of such numbers may well be warned about
@settings(FUZZ, max_examples=25)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_a_forged_table_is_drawn_and_judged_or_refused(originals, folder, data, name):
    """The user is told of what the checks find, and of nothing else: what they let through is for the code to mend."""
    table, provenance, _ = originals[name]
    alone = folder / name
    alone.mkdir(exist_ok=True)
    assume(write_forged(alone, name, data.draw(forged(table)), provenance))
    readable = outcome(lambda: showing.read(alone, name)) is not None
    for arguments in (
        ("scorecard", "--tables", alone),
        ("show", name, "--tables", alone, "--figures", folder / "figures"),
    ):
        try:
            drawn = step(*arguments)
        except Exception:
            assert readable
        else:
            assert drawn == readable


# --- places of images ---

PLACES = st.sampled_from(
    ["", ".", "nowhere", "file", "file/below", "~nobody", "~nobody/x", "x" * 300, "é", "\x00", "\ud800"]
)
DATA = st.fixed_dictionaries(
    {"source": st.sampled_from(["cifar10", "cifar100", "image_folder"])},
    optional={
        "folder": PLACES,
        "archive": PLACES | st.none(),
        "mirrors": st.lists(PLACES | st.sampled_from(["http://[", "ftp://x", "file:///nowhere"]), max_size=2),
        "train_images": st.integers(0, 3),
    },
)


@FUZZ
@given(data=DATA)
def test_images_that_are_nowhere_are_a_sentence(tmp_path_factory, data):
    def offline(url: str) -> bytes:
        raise OSError(f"no network for {url}")

    configuration = {"name": "x", "recipe": {"images": data}, "experiments": {"limiting_spectrum": {}}}
    folder = tmp_path_factory.getbasetemp() / "images"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(archive, "_fetch", offline)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = main(["data", "--threads", "1", "--config", json.dumps(configuration)])
    assert code == 2
    (sentence,) = [line for line in said.getvalue().splitlines() if not line.startswith(("Downloading ", "Not usable"))]
    assert sentence.startswith("Error: ")
