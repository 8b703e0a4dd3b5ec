"""A small real run, and that a change reruns exactly what depends on it."""

import hashlib
import html
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.conftest import ITEMS, TINY, TINY_FILES, Tree, environment

# The finished run is made once.
pytestmark = pytest.mark.xdist_group("workflow")

GATHERED = {"claims": 1, "report": 1}


@pytest.fixture
def tree(finished: Tree, tmp_path: Path) -> Tree:
    """The finished run, to change at will."""
    return finished.copy(tmp_path / "tree")


def checksums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_makes_tables_figures_claims_and_report(finished: Tree):
    results, figures = finished.folder / "results" / "tiny", finished.folder / "paper_figures" / "tiny"
    histories = pd.read_parquet(results / "training_curves.parquet")
    assert set(histories["condition"]) == {"batch-0.1", "none-0.001"}
    for name, item in ITEMS.items():
        assert (results / f"{name}.json").exists()
        for suffix in ("pdf", "svg", "png", "md", "html"):
            assert (figures / f"{item}.{suffix}").stat().st_size > 100
    assert "| fig1 |" in (results / "claims.md").read_text()
    assert json.loads((results / "configuration.json").read_text())["training"]["momentum"] == 0.9


def test_the_report_holds_each_figure_with_its_caption(finished: Tree):
    report = (finished.folder / "paper_figures" / "tiny" / "report.html").read_text()
    for item in ITEMS.values():
        assert f"paper_figures/tiny/{item}.svg" in report
    assert "results/tiny/claims.html" in report
    # Captions are filled in with the resolved configuration.
    assert "Figure 5: moments against depth." in report
    assert "ResNet-8 (shortcut B" in report
    assert "{{" not in report.split("const results")[-1].split("</script>")[0]


def test_a_second_run_does_nothing(finished: Tree):
    result = finished.snakemake(configuration=TINY_FILES)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout


def test_touching_reruns_nothing(tree: Tree):
    for path in [*tree.folder.glob("repro/**/*.py"), *tree.folder.glob("config/*"), *tree.folder.glob("workflow/**/*")]:
        path.touch()
    for path in tree.folder.glob("results/tiny/**/*.*"):
        path.touch()
    assert tree.plan(configuration=TINY_FILES) == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("in subjects(", "in subjects  (", {}),
        ("Moments of every channel", "Both moments of every channel", {}),
        ('"mean": mean', '"mean": -mean', {"measure_activation_growth": 1, "draw_activation_growth": 1} | GATHERED),
        ("style.panels(1, 2", "style.panels(1, 2, width=5", {"draw_activation_growth": 1, "report": 1}),
        ("in every seed by", "in each seed by", GATHERED),
    ],
)
def test_editing_an_experiment_does_again_what_the_edit_can_change(
    tree: Tree, before: str, after: str, expected: dict[str, int]
):
    module = tree.folder / "repro" / "experiments" / "activation_growth.py"
    original = module.read_text()
    assert before in original
    module.write_text(original.replace(before, after))
    assert tree.plan(configuration=TINY_FILES) == expected
    module.write_text(original)
    assert tree.plan(configuration=TINY_FILES) == {}


def test_editing_the_style_redraws(tree: Tree):
    tree.edit("repro/style.py")
    assert tree.plan(configuration=TINY_FILES) == {f"draw_{name}": 1 for name in ITEMS} | {"report": 1}


def test_editing_what_is_said_of_sources_redraws_and_judges_again(tree: Tree):
    tree.edit("repro/sources.py")
    assert tree.plan(configuration=TINY_FILES) == {f"draw_{name}": 1 for name in ITEMS} | GATHERED


def test_editing_how_claims_are_judged_judges_again(tree: Tree):
    tree.edit("repro/claims.py")
    assert tree.plan(configuration=TINY_FILES) == GATHERED


def test_editing_what_changes_no_result_reruns_nothing(tree: Tree):
    for module in ("progress", "errors", "locks", "config", "gpu_lease", "jobs", "__main__"):
        tree.edit(f"repro/{module}.py")
    assert tree.plan(configuration=TINY_FILES) == {}


def test_editing_the_networks_reruns_all_that_has_one(tree: Tree):
    tree.edit("repro/networks.py")
    expected = {
        "train": 2,
        "measure_training_curves": 1,
        "draw_training_curves": 1,
        "measure_activation_growth": 1,
        "draw_activation_growth": 1,
    }
    assert tree.plan(configuration=TINY_FILES) == expected | GATHERED


def test_changing_a_learning_rate_retrains_one_condition(tree: Tree):
    conditions = [TINY["training"]["conditions"][0], TINY["training"]["conditions"][1] | {"learning_rate": 2e-3}]
    overlay = tree.overlay("rate", {"training": {"conditions": conditions}})
    expected = {"train": 1, "measure_training_curves": 1, "draw_training_curves": 1} | GATHERED
    assert tree.plan(configuration=(*TINY_FILES, overlay)) == expected


def test_changing_an_experiments_seeds_measures_it_again(tree: Tree):
    overlay = tree.overlay("seeds", {"experiments": {"activation_growth": {"seeds": 3}}})
    expected = {"measure_activation_growth": 1, "draw_activation_growth": 1} | GATHERED
    assert tree.plan(configuration=(*TINY_FILES, overlay)) == expected


def test_a_lost_figure_is_drawn_again(tree: Tree):
    (tree.folder / "paper_figures" / "tiny" / "fig8.pdf").unlink()
    assert tree.plan("figures", configuration=TINY_FILES) == {"draw_limiting_spectrum": 1}


def test_a_lost_table_is_measured_again(tree: Tree):
    (tree.folder / "results" / "tiny" / "limiting_spectrum.json").unlink()
    expected = {"measure_limiting_spectrum": 1, "draw_limiting_spectrum": 1}
    for target in ("fig8", "limiting_spectrum", "figures"):
        assert tree.plan(target, configuration=TINY_FILES) == expected


def test_another_name_leaves_everything_else_untouched(tree: Tree):
    before = checksums(tree.folder / "results") | checksums(tree.folder / "paper_figures")
    overlay = tree.overlay("other", {"name": "other"})
    result = tree.snakemake("fig8", configuration=(*TINY_FILES, overlay))
    assert result.returncode == 0, result.stdout
    assert (tree.folder / "paper_figures" / "other" / "fig8.pdf").exists()
    after = checksums(tree.folder / "results") | checksums(tree.folder / "paper_figures")
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[0] for path in set(after) - set(before)} == {"other"}
    assert tree.plan(configuration=TINY_FILES) == {}


def test_a_failure_stops_only_what_depends_on_it_and_shows_its_sentence(tree: Tree):
    sentence = "The seeds are spoilt; choose others."
    broken = f"\n\ndef measure(configuration):\n    raise __import__('repro.errors').errors.UserError({sentence!r})\n"
    tree.edit("repro/experiments/activation_growth.py", broken)
    tree.edit("repro/experiments/limiting_spectrum.py", "\nCOLUMNS = {**COLUMNS}\n")
    drawn = tree.folder / "paper_figures" / "tiny" / "fig8.pdf"
    before = drawn.stat().st_mtime_ns
    result = tree.snakemake("fig5", "fig8", configuration=TINY_FILES)
    assert result.returncode != 0
    assert f"Error: {sentence}" in result.stdout
    assert "Traceback" not in result.stdout
    assert drawn.stat().st_mtime_ns > before


def test_after_a_failure_a_report_says_what_is_missing_and_why(tree: Tree):
    module = tree.folder / "repro" / "experiments" / "activation_growth.py"
    original = module.read_bytes()
    sentence = "The *seeds* of batch_size are `spoilt` <now>: {{ choose }} others."
    tree.edit(
        "repro/experiments/activation_growth.py",
        f"\n\ndef measure(configuration):\n    raise __import__('repro.errors').errors.UserError({sentence!r})\n",
    )
    tree.edit("repro/experiments/limiting_spectrum.py", "\nCOLUMNS = {**COLUMNS}\n")
    reports = [tree.folder / "paper_figures" / "tiny" / name for name in ("report.html", "report-incomplete.html")]
    whole = reports[0].read_bytes()
    result = tree.snakemake(configuration=TINY_FILES)
    assert result.returncode != 0
    assert f"Missing: fig5 (activation_growth). measure-activation_growth failed: {sentence} (Log: " in result.stdout
    text = html.unescape(reports[1].read_text())
    assert "This report is not complete." in text
    assert f"fig5 (activation_growth)</strong>: measure-activation_growth failed: {sentence} (Log: " in text
    assert "claims</strong>: " in text
    # The figures that could be made, and not the older one that could not.
    assert {item for item in ITEMS.values() if f"paper_figures/tiny/{item}.svg" in text} == {"fig1", "fig8"}
    assert reports[0].read_bytes() == whole

    module.write_bytes(original)
    assert tree.snakemake(configuration=TINY_FILES).returncode == 0
    assert not reports[1].exists()
    assert "This report is not complete." not in reports[0].read_text()


def test_a_report_is_made_when_nothing_at_all_could_be_drawn(tree: Tree):
    tree.edit("repro/style.py", "\nraise ValueError('the style is *broken*')\n")
    result = tree.snakemake(configuration=TINY_FILES)
    assert result.returncode != 0
    text = html.unescape((tree.folder / "paper_figures" / "tiny" / "report-incomplete.html").read_text())
    for name, item in ITEMS.items():
        assert f"{item} ({name})</strong>: {item} failed: ValueError: the style is *broken* (Log: " in text
        assert f"paper_figures/tiny/{item}.svg" not in text


def test_a_killed_training_goes_on_from_its_checkpoint(tree: Tree, record_property: Callable[[str, object], None]):
    condition = {"normalisation": "batch", "learning_rate": 0.1, "epochs": 30}
    overlay = tree.overlay("long", {"name": "long", "training": {"conditions": [condition], "checkpoint_minutes": 0.0}})
    files = (*TINY_FILES, overlay)
    target = "results/long/training/batch-0.1.parquet"
    command = tree.command(target, configuration=files)
    process = subprocess.Popen(
        command,
        cwd=tree.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    checkpoints = tree.folder / "results" / "long" / "checkpoints"
    deadline = time.monotonic() + 300
    while not list(checkpoints.glob("batch-0.1-seed0-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tree.folder / target).exists()

    result = tree.snakemake(target, configuration=files)
    assert result.returncode == 0, result.stdout
    assert list(pd.read_parquet(tree.folder / target)["epoch"]) == list(range(1, 31))
    log = (tree.folder / "results" / "long" / "logs" / "train-batch-0.1.log").read_text()
    assert "epoch 30/30" in log
    assert "epoch 1/30" not in log
    record_property("kills survived", 1)


def test_conditions_that_share_a_gpu_are_trained_in_the_job_of_the_first(tree: Tree):
    """Where there is no GPU, one after the other."""

    def overlay(name: str, rate: float) -> str:
        conditions = [*TINY["training"]["conditions"], {"normalisation": "none", "learning_rate": rate, "epochs": 2}]
        training = {"networks_at_once": 3, "conditions": conditions}
        return tree.overlay(name, {"name": "together", "device": "auto", "training": training})

    configuration, target = (*TINY_FILES, overlay("together", 2e-3)), "results/together/training_curves.parquet"
    result = tree.snakemake(target, configuration=configuration)
    assert result.returncode == 0, result.stdout
    trained = ("batch-0.1", "none-0.001", "none-0.002")
    first, *others = ((tree.folder / f"results/together/logs/train-{name}.log").read_text() for name in trained)
    assert all(f"{name} seed 0: epoch 2/2" in first for name in trained)
    assert not any("epoch" in other for other in others)
    assert tree.plan(target, configuration=configuration) == {}
    # The first one trains what is new; the one that did not change is left alone.
    changed = (*TINY_FILES, overlay("changed", 3e-3))
    assert tree.plan(target, configuration=changed) == {"train": 2, "measure_training_curves": 1}
