"""The steps by hand: what they write, and that a user's mistake is one sentence and exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from repro import config, config_reference, jobs, locks, tables
from repro.__main__ import main

TINY = (
    "{name: tiny, device: cpu, batch_size: 16, network: {depth: 8}, "
    "data: {source: synthetic, train_images: 60, test_images: 20}, training: {depth: 8, seeds: 1, "
    "conditions: [{normalisation: batch, learning_rate: 0.1, epochs: 1}]}, "
    "experiments: {activation_growth: {seeds: 1}}}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder: results are written below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    configured = arguments[0] in ("data", "train", "measure")
    return main([*arguments, *(["--config", TINY, "--threads", "1"] if configured else [])])


def test_the_steps_lead_from_images_to_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("data") == 0
    assert run("train", "batch-0.1") == 0
    assert run("measure", "fig1") == 0
    assert run("measure", "activation_growth") == 0
    assert run("figures", "--tables", "results/tiny", "--figures", "figures") == 0
    assert run("claims", "--tables", "results/tiny", "--output", "claims.md") == 0
    written = capsys.readouterr().out

    summary = json.loads((folder / "results/tiny/data.json").read_text())
    assert (summary["train_images"], summary["test_images"]) == (60, 20)
    assert summary["checksum"] in (folder / "results/tiny/activation_growth.json").read_text()

    histories, provenance = tables.read(folder / "results/tiny/training_curves.parquet")
    assert len(histories) == 1
    assert provenance["settings"] == jobs.for_experiment(config.load([TINY]), "training_curves")
    assert provenance["libraries"]["pandas"] == pd.__version__
    trained = provenance["trained"]["batch-0.1"]
    assert provenance["data"] == trained["data"] == {"name": summary["name"], "checksum": summary["checksum"]}
    assert provenance["device"] == trained["device"]
    assert set(trained["weights"]) == {"seed 0"}

    expected = {f"{item}.{suffix}" for item in ("fig1", "fig5") for suffix in ("pdf", "svg", "png", "md", "html")}
    expected |= {"claims.md", "claims.html"}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    assert (folder / "claims.md").read_text().count("| fig1 |") == 3
    assert "<td>fig1</td>" in (folder / "claims.html").read_text()
    for path in ("results/tiny/data.json", "results/tiny/training/batch-0.1.parquet", "figures/fig5.pdf", "claims.md"):
        assert path in written


def test_drawing_twice_gives_the_same_bytes(folder: Path):
    assert run("measure", "limiting_spectrum") == 0
    drawn = []
    for attempt in ("first", "second"):
        assert run("plot", "fig8", "--tables", "results/tiny", "--figures", attempt) == 0
        drawn.append({path.name: path.read_bytes() for path in (folder / attempt).iterdir()})
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "batch-0.2"], "There is no condition 'batch-0.2' in the configuration; it has batch-0.1."),
        (["measure", "fig77"], "There is no experiment 'fig77'; the experiments are training_curves (fig1), "),
        (["measure", "fig1"], "results/tiny/training/batch-0.1.parquet is missing; train it with"),
        (["plot", "fig5", "--figures", "figures"], "results/published/activation_growth.parquet cannot be read"),
        (["figures"], "results/published holds no experiment's table"),
        (["claims", "--tables", "nowhere", "--output", "claims.md"], "nowhere holds no experiment's table"),
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
    (folder / "own.yaml").write_text("name: own\nnetwork: {depth: 9}\n")
    assert main(["data", "--config", "own.yaml"]) == 2
    assert capsys.readouterr().err.startswith("Error: Configuration: network.depth: must be 6n+2")
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


def test_training_under_other_settings_is_noticed(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("train", "batch-0.1") == 0
    assert main(["measure", "fig1", "--config", TINY, "{training: {momentum: 0.5}}", "--threads", "1"]) == 2
    assert "was trained under other settings" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_threads_are_a_positive_number(threads: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["data", "--threads", threads])
    assert error.value.code == 2
    assert "must be a whole number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("step", ["data", "train", "measure", "plot", "figures", "claims", "schema"])
def test_every_step_explains_itself(step: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main([step, "--help"])
    assert end.value.code == 0
    assert f"python -m repro {step}" in capsys.readouterr().out


def test_the_schema_step_writes_both_files(folder: Path):
    assert run("schema") == 0
    assert json.loads((folder / "workflow/schemas/configuration.schema.json").read_text())["properties"]["network"]
    assert (folder / "docs/configuration.md").read_text() == config_reference.reference_page()


def test_the_exit_code_reaches_the_shell(folder: Path):
    root = Path(config.__file__).parents[1]
    command = [sys.executable, "-m", "repro", "plot", "fig77", "--figures", "figures"]
    result = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no experiment 'fig77'")


def test_a_second_measurement_of_the_same_refuses_and_names_the_first(folder: Path, capsys: pytest.CaptureFixture[str]):
    with locks.alone(folder / "results/tiny/.limiting_spectrum.lock", "it is being measured"):
        assert run("measure", "fig8") == 2
    assert f"Error: limiting_spectrum is being measured by process {os.getpid()} " in capsys.readouterr().err
    assert run("measure", "fig8") == 0
