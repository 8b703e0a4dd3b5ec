"""The steps by hand: what they write, and that a user's mistake is one sentence and exit code 2."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from repro.__main__ import main
from repro.experiments import rules
from repro.machine import locks
from repro.machine.errors import UserError
from repro.results import tables
from repro.settings import reference
from repro.settings.configuration import load
from tests.tiny import TINY

ROOT = Path(__file__).resolve().parents[1]
CONFIGURED = ["--config", TINY]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder: results are written below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    configured = arguments[0] in ("data", "train", "measure")
    return main([*arguments, *([*CONFIGURED, "--threads", "1"] if configured else [])])


def shell(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m repro` as a process of its own, in `folder`."""
    command = [sys.executable, "-m", "repro", *arguments]
    environment = {"PYTHONPATH": str(ROOT), **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, cwd=folder, env=environment, text=True, check=False, **options)


# --- what the steps write ---


def test_the_steps_lead_from_images_to_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("data") == 0
    assert run("train", "batch") == 0
    for experiment in ("fig1", "activation_growth", "table1", "fig8", "condition_growth"):
        assert run("measure", experiment) == 0
    assert run("figures", "--tables", "results/tiny", "--figures", "figures", *CONFIGURED) == 0
    assert run("scorecard", "--tables", "results/tiny", *CONFIGURED) == 0
    written = capsys.readouterr().out

    configuration = load([TINY])
    images = configuration.images_file(configuration.recipe.images)
    summary = json.loads(images.read_text())
    assert (summary["train_images"], summary["test_images"]) == (60, 20)

    history, provenance = tables.read(folder / "results/tiny/training_curves.parquet")
    assert len(history) == 1
    assert provenance["settings"] == configuration.part_of("training_curves")
    assert provenance["libraries"]["pandas"] == pd.__version__
    trained = provenance["trained"]["batch"]
    assert provenance["data"] == trained["data"] == {"name": summary["name"], "checksum": summary["checksum"]}
    assert provenance["device"] == trained["device"]
    assert set(trained["weights"]) == {"seed 0"}

    growth, provenance = tables.read(folder / "results/tiny/activation_growth.parquet")
    assert growth.groupby(["recipe", "normalisation", "after", "seed"]).ngroups == 2
    assert sorted(growth["after"].unique()) == [0, 1]
    assert provenance["data"] == trained["data"]
    assert provenance["trained"]["batch"]["weights"] == trained["weights"]

    expected = {
        f"{configuration_item}.{suffix}"
        for configuration_item in ("fig1", "fig5", "fig8", "table1", "condition_number")
        for suffix in ("pdf", "svg", "png", "md", "html")
    }
    expected |= {"index.html"}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    cards, _ = tables.read(folder / "results/tiny/scorecard.csv")
    assert set(cards.loc[cards["item"] == "fig1", "verdict"]) == {"not run at this scale"}
    assert "no_better_at_small_rate" in (folder / "figures/index.html").read_text()
    for path in (images, "results/tiny/training/batch.parquet", "figures/fig5.pdf", "figures/index.html"):
        assert str(path) in written
    assert written.count("\npaper: ") == 2  # from `figures` and from `scorecard`


def test_drawing_twice_gives_the_same_bytes(folder: Path):
    assert run("measure", "limiting_spectrum") == 0
    drawn = []
    for attempt in ("first", "second"):
        assert run("show", "fig8", "--tables", "results/tiny", "--figures", attempt) == 0
        drawn.append({path.name: path.read_bytes() for path in (folder / attempt).iterdir()})
    assert drawn[0] == drawn[1]


def test_one_of_the_images_can_be_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]):
    digest = load([TINY]).recipe.images.digest
    assert run("data", digest) == 0
    assert f"{digest}.json" in capsys.readouterr().out
    assert run("data", "0" * 8) == 2
    assert capsys.readouterr().err == f"Error: The configuration has no images '00000000'; it has {digest}.\n"


def test_the_schema_step_writes_what_is_generated(folder: Path):
    assert run("schema") == 0
    assert json.loads((folder / "workflow/schemas/configuration.schema.json").read_text())["properties"]["recipe"]
    assert (folder / "docs/configuration.md").read_text() == reference.reference_page()
    assert (folder / "docs/claims.md").read_text() == rules.page()


@pytest.mark.parametrize(
    "step", ["data", "train", "measure", "show", "figures", "scorecard", "page", "verify", "benchmark", "schema"]
)
def test_every_step_explains_itself(step: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main([step, "--help"])
    assert end.value.code == 0
    assert f"python -m repro {step}" in capsys.readouterr().out


# --- a user's mistakes ---


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "batch-lr0.2"], "No experiment of this configuration trains 'batch-lr0.2'; they train batch."),
        (["measure", "fig77"], "There is no experiment 'fig77'; the experiments are training_curves (fig1), "),
        (["measure", "fig1"], "results/tiny/training/batch.parquet is missing; train it with `python -m repro train b"),
        (["measure", "fig5"], "results/tiny/training/batch.parquet is missing; train it with `python -m repro train b"),
        (["show", "fig5", "--figures", "figures"], "results/published/activation_growth.parquet cannot be read"),
        (["figures"], "results/published holds no experiment's table"),
        (["figures", *CONFIGURED], "results/published/training_curves.parquet cannot be read"),
        (["scorecard", "--tables", "nowhere"], "nowhere holds no experiment's table"),
        (["verify", "fig77"], "There is no experiment 'fig77'; the experiments are"),
        (["benchmark", "--depth", "9"], "Configuration: recipe.depth: must be 6n+2"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {expected}")
    assert error.count("\n") == 1


def test_a_bad_configuration_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "own.yaml").write_text("name: own\nrecipe: {depth: 9}\n")
    assert main(["data", "--config", "own.yaml"]) == 2
    assert capsys.readouterr().err.startswith("Error: Configuration: recipe.depth: must be 6n+2")
    assert main(["data", "--config", "missing.yaml"]) == 2
    assert "Error: Configuration file missing.yaml cannot be read" in capsys.readouterr().err


def test_a_damaged_table_is_not_drawn(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("measure", "limiting_spectrum") == 0
    path = folder / "results/tiny/limiting_spectrum.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert run("figures", "--tables", "results/tiny", "--figures", "figures") == 2
    assert "is not the table that was written" in capsys.readouterr().err
    assert not (folder / "figures").exists()


def test_a_table_measured_under_other_settings_is_noticed_not_drawn(folder: Path, capsys: pytest.CaptureFixture[str]):
    """One of another configuration's, say, put under its name."""
    ours, other = (
        ["--config", f"{{name: tiny, experiments: {{limiting_spectrum: {{factors: {factors}}}}}}}"]
        for factors in ("[1, 2, 3]", "[1, 2]")
    )
    assert main(["measure", "fig8", *other]) == 0
    capsys.readouterr()
    steps = (
        ["show", "fig8", "--tables", "results/tiny", "--figures", "figures"],
        ["figures", "--tables", "results/tiny", "--figures", "figures"],
        ["scorecard", "--tables", "results/tiny"],
    )
    for step in steps:
        assert main([*step, *ours]) == 2
        assert capsys.readouterr().err == (
            "Error: results/tiny/limiting_spectrum.parquet was measured under other settings than the configuration's; "
            "measure limiting_spectrum again.\n"
        )
        assert not (folder / "figures").exists()
    for step in steps:
        assert main([*step, *other]) == main(step) == 0


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon", "", "1e9"])
def test_minutes_are_a_time_that_one_may_have(minutes: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["train", f"--minutes={minutes}"])
    assert error.value.code == 2
    said = capsys.readouterr().err
    assert f"argument --minutes: must be a number of minutes above 0 and up to 100000, not '{minutes}'" in said


def test_without_a_recipe_all_are_trained_the_longest_first(folder: Path, capsys: pytest.CaptureFixture[str]):
    recipes = "{experiments: {training_curves: {seeds: 1, recipes: [{}, {epochs: 3}, {epochs: 2}]}}}"
    arguments = ["train", "--minutes", "60", "--threads", "1", *CONFIGURED, recipes]
    assert main(arguments) == 0
    written = [f"results/tiny/training/{name}.parquet" for name in ("batch-epochs3", "batch-epochs2", "batch")]
    assert capsys.readouterr().out.splitlines() == written
    assert all((folder / path).exists() for path in written)


def test_recipes_beside_others_are_beside_one(capsys: pytest.CaptureFixture[str]):
    for recipes in ([], ["batch", "none"]):
        assert main(["train", *recipes, "--beside", "other", *CONFIGURED]) == 2
        assert "--beside trains recipes beside one other; name that RECIPE" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["{recipe: {momentum: 0.5}}", "{training: {keep: [0.5, 1.0]}}"])
def test_training_under_other_settings_is_noticed(folder: Path, capsys: pytest.CaptureFixture[str], change: str):
    assert run("train", "batch") == 0
    assert main(["measure", "fig1", *CONFIGURED, change, "--threads", "1"]) == 2
    assert "was trained under other settings" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [None, b"", b"no network"])
def test_a_kept_network_that_is_lost_is_noticed(folder: Path, capsys: pytest.CaptureFixture[str], damage: bytes | None):
    assert run("train", "batch") == 0
    kept = folder / "results/tiny/networks/batch/after1.pt"
    kept.unlink() if damage is None else kept.write_bytes(damage)
    capsys.readouterr()
    assert run("measure", "fig5") == 2
    expected = f"Error: {kept.relative_to(folder)} is missing or damaged; train it with `python -m repro train batch`."
    assert capsys.readouterr().err.splitlines()[-1] == expected


def test_networks_that_had_all_diverged_are_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]):
    config = [
        *CONFIGURED,
        "{recipe: {learning_rate: 1e30, epochs: 2}, experiments: {activation_growth: {after: [1.0]}}}",
    ]
    assert main(["train", "batch", "--threads", "1", *config]) == 0
    capsys.readouterr()
    assert main(["measure", "fig5", "--threads", "1", *config]) == 2
    expected = "Error: All networks that activation_growth looks at had diverged by then; lower their learning rate, "
    assert expected in capsys.readouterr().err
    assert not (folder / "results/tiny/activation_growth.parquet").exists()
    # Where some are left, the others are named.
    both = [*config, "{experiments: {activation_growth: {after: [0, 1.0]}}}"]
    assert main(["measure", "fig5", "--threads", "1", *both]) == 0
    assert "Diverged before they could be looked at: batch, seed 0, after 1." in capsys.readouterr().err
    table, provenance = tables.read(folder / "results/tiny/activation_growth.parquet")
    assert set(table["after"]) == {0.0}
    assert provenance["diverged"] == ["batch, seed 0, after 1"]


def test_a_second_measurement_of_the_same_refuses_and_names_the_first(folder: Path, capsys: pytest.CaptureFixture[str]):
    with locks.alone(folder / "results/tiny/.limiting_spectrum.lock", "it is being measured"):
        assert run("measure", "fig8") == 2
    assert f"Error: limiting_spectrum is being measured by process {os.getpid()} " in capsys.readouterr().err
    assert run("measure", "fig8") == 0


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5", "²", "٣", "", "99999999999999999999", "4097", "9" * 9999])
def test_threads_are_a_number_that_a_machine_may_have(threads: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["data", f"--threads={threads}"])
    assert error.value.code == 2
    said = capsys.readouterr().err
    assert "error: argument --threads: must be a whole number from 1 to 4096, not " in said
    assert len(said) < 2000


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "-inf", "0", "1e9", "soon", ""])
def test_the_time_of_a_benchmark_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["benchmark", f"--seconds={seconds}"])
    assert error.value.code == 2
    assert "error: argument --seconds: must be a number of seconds above 0 and up to 3600" in capsys.readouterr().err


def test_the_exit_code_reaches_the_shell(folder: Path):
    result = shell(folder, "show", "fig77", "--figures", "figures")
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no experiment 'fig77'")


# --- what is wrong with the code is shown, not blamed on the user ---

BREAKS = {
    "measure": ("measure", ["measure", "fig8", *CONFIGURED]),
    "summarise": ("show", ["show", "fig8", "--tables", "results/tiny", "--figures", "figures"]),
    "plot": ("show", ["show", "fig8", "--tables", "results/tiny", "--figures", "figures"]),
    "estimate": ("claims", ["scorecard", "--tables", "results/tiny"]),
}


@pytest.mark.parametrize("part", BREAKS)
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, ValueError, OSError])
def test_an_error_in_an_experiments_code_is_let_through_with_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str, error: type[Exception]
):
    assert run("measure", "fig8") == 0

    def broken(*_: object) -> None:
        raise error("the line at fault")

    module, arguments = BREAKS[part]
    code = importlib.import_module(f"repro.experiments.limiting_spectrum.{module}")
    if part == "estimate":
        faulty = dataclasses.replace(code.CLAIMS[0].conditions[0], estimate=broken)
        monkeypatch.setattr(code, "CLAIMS", [dataclasses.replace(code.CLAIMS[0], conditions=(faulty,))])
    else:
        monkeypatch.setattr(code, part, broken)
    with pytest.raises(error) as shown:
        main(arguments)
    assert traceback.extract_tb(shown.value.__traceback__)[-1].line == 'raise error("the line at fault")'
    assert "Error:" not in capsys.readouterr().err
    assert not (folder / "figures").exists()


def test_a_user_error_in_an_experiments_code_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refusing(*_: object) -> None:
        raise UserError("There are too few images; take more.")

    monkeypatch.setattr("repro.experiments.limiting_spectrum.measure.measure", refusing)
    assert run("measure", "fig8") == 2
    assert capsys.readouterr().err == "Error: There are too few images; take more.\n"


def test_a_traceback_ends_with_exit_code_1(folder: Path):
    code = (
        "import sys\n"
        "from repro.__main__ import main\n"
        "from repro.experiments.limiting_spectrum import measure\n"
        "measure.measure = lambda settings: 1 // 0\n"
        f"sys.exit(main(['measure', 'fig8', '--config', {TINY!r}]))"
    )
    environment = {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "in _measure" in result.stderr
    assert result.stderr.endswith("ZeroDivisionError: integer division or modulo by zero\n")


# --- output that cannot be written ---


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_to_a_full_disk_is_one_sentence(folder: Path, unbuffered: str):
    with open("/dev/full", "w") as full:
        result = shell(folder, "measure", "fig8", *CONFIGURED, stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    assert result.stderr == "Error: The output cannot be written (No space left on device); write it elsewhere.\n"
    assert result.returncode == 2
    assert (folder / "results/tiny/limiting_spectrum.parquet").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_error(folder: Path, unbuffered: str):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        result = shell(folder, "measure", "fig8", *CONFIGURED, stdout=closed, env={"PYTHONUNBUFFERED": unbuffered})
    assert (result.returncode, result.stderr) == (0, "")
