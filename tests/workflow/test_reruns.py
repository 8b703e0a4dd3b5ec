"""A small real run, and that a change reruns exactly what depends on it."""

import hashlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.conftest import ITEMS, TINY, TINY_FILES, TRAINED, Tree, environment

# The finished run is made once.
pytestmark = pytest.mark.xdist_group("workflow")

GATHERED = {"page": 1, "report": 1}  # of figures; of tables, and of claims, also SCORED
SCORED = {"scorecard": 1}


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


def test_a_run_makes_tables_figures_scorecard_page_and_report(finished: Tree):
    results, figures = finished.folder / "results" / "tiny", finished.folder / "paper_figures" / "tiny"
    histories = pd.read_parquet(results / "training_curves.parquet")
    assert set(histories["recipe"]) == set(TRAINED)
    for name, item in ITEMS.items():
        assert (results / f"{name}.json").exists()
        for suffix in ("pdf", "svg", "png", "md", "html"):
            assert (figures / f"{item}.{suffix}").stat().st_size > 100
    cards = pd.read_csv(results / "scorecard.csv")
    assert "fig1" in set(cards["item"])
    assert set(cards.loc[cards["kind"] == "paper", "verdict"]) == {"not run at this scale"}
    page = (figures / "index.html").read_text()
    assert all(claim in page for claim in cards["claim"])
    assert json.loads((results / "configuration.json").read_text())["recipe"]["momentum"] == 0.9


def test_the_report_holds_each_figure_with_its_caption(finished: Tree):
    report = (finished.folder / "paper_figures" / "tiny" / "report.html").read_text()
    for item in ITEMS.values():
        assert f"paper_figures/tiny/{item}.svg" in report
    # Captions are filled in with the resolved configuration.
    assert "Figure 5: moments against depth." in report
    assert "synthetic images; ResNet-8; mini-batches of 16; 2 seeds; untrained networks; recipes batch, none" in report
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


def again(*experiments: str) -> dict[str, int]:
    """The measurement and the figure of experiments, and what gathers them."""
    return {f"{step}_{name}": 1 for name in experiments for step in ("measure", "show")} | GATHERED | SCORED


SHOWN = {f"show_{name}": 1 for name in ITEMS} | GATHERED


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("measure.py", again("activation_growth")),
        ("settings.py", again("activation_growth")),
        ("show.py", {"show_activation_growth": 1} | GATHERED | SCORED),
        ("claims.py", {"page": 1} | SCORED),
    ],
)
def test_editing_an_experiment_does_again_what_the_edit_can_change(tree: Tree, file: str, expected: dict[str, int]):
    module = tree.folder / "repro" / "experiments" / "activation_growth" / file
    original = module.read_bytes()
    tree.edit(str(module.relative_to(tree.folder)))
    assert tree.plan(configuration=TINY_FILES) == expected
    module.write_bytes(original)
    assert tree.plan(configuration=TINY_FILES) == {}


def test_editing_a_caption_gathers_the_report_again(tree: Tree):
    tree.edit("repro/experiments/activation_growth/caption.rst", "\nMore.\n")
    assert tree.plan(configuration=TINY_FILES) == {"page": 1, "report": 1}


@pytest.mark.parametrize(
    ("module", "expected"),
    [("style", SHOWN | SCORED), ("sources", SHOWN | SCORED), ("statistics", SCORED | {"page": 1})],
)
def test_editing_how_results_look_shows_them_again(tree: Tree, module: str, expected: dict[str, int]):
    tree.edit(f"repro/results/{module}.py")
    assert tree.plan(configuration=TINY_FILES) == expected


def test_editing_what_writes_tables_does_everything_again_but_the_images(tree: Tree):
    tree.edit("repro/results/tables.py")
    assert tree.plan(configuration=TINY_FILES) == again(*ITEMS) | {"train": 2}


def test_editing_what_changes_no_result_reruns_nothing(tree: Tree):
    for module in ("machine/progress", "machine/errors", "machine/locks", "machine/gpu_lease", "machine/files"):
        tree.edit(f"repro/{module}.py")
    for module in ("settings/configuration", "settings/recipe", "workflow/jobs", "workflow/progress", "__main__"):
        tree.edit(f"repro/{module}.py")
    assert tree.plan(configuration=TINY_FILES) == {}


def test_editing_the_networks_reruns_all_that_has_one(tree: Tree):
    tree.edit("repro/networks/residual.py")
    expected = again("training_curves", "activation_growth", "channel_gradients") | {"train": 2}
    assert tree.plan(configuration=TINY_FILES) == expected


def test_editing_how_networks_descend_leaves_untrained_ones_alone(tree: Tree):
    tree.edit("repro/training/descent.py")
    assert tree.plan(configuration=TINY_FILES) == again("training_curves", "channel_gradients") | {"train": 2}


def test_editing_one_kind_of_normalisation_reruns_its_recipes(tree: Tree):
    tree.edit("repro/networks/normalisation/none.py")
    expected = again("training_curves", "activation_growth", "channel_gradients") | {"train": 1}
    assert tree.plan(configuration=TINY_FILES) == expected


QUARTET_NORMALISATION = '''"""Group normalisation (Wu and He 2018)."""

from torch import nn


class QuartetNormalisation(nn.GroupNorm):
    """Four groups of channels."""

    def __init__(self, channels: int, recipe) -> None:
        super().__init__(4, channels)


LAYER = QuartetNormalisation
'''


def test_adding_kinds_plans_nothing_of_what_exists(tree: Tree):
    networks = tree.folder / "repro" / "networks"
    (networks / "normalisation" / "quartet.py").write_text(QUARTET_NORMALISATION)
    (networks / "activation" / "leaky.py").write_text((networks / "activation" / "relu.py").read_text())
    (networks / "initialisation" / "he.py").write_text((networks / "initialisation" / "kaiming_normal.py").read_text())
    looks = tree.folder / "repro" / "results" / "looks.py"
    row = 'NORMALISATIONS = {\n    "quartet": Look("quartets", "#123456"),'
    looks.write_text(looks.read_text().replace("NORMALISATIONS = {", row))
    assert tree.plan(configuration=TINY_FILES) == {}
    # In training and in measurements, untrained and trained: what it is asked for, and nothing else.
    recipes = [*TINY["experiments"]["training_curves"]["recipes"], {"normalisation": "quartet"}]
    overlay = tree.overlay("quartet", {"experiments": {"training_curves": {"recipes": recipes}}})
    files = (*TINY_FILES, overlay)
    assert tree.plan(configuration=files) == again("training_curves") | {"train": 1}
    recipes = [{}, {"normalisation": "quartet", "activation": "leaky", "initialisation": "he"}]
    overlay = tree.overlay("other", {"name": "grouped", "experiments": {"activation_growth": {"recipes": recipes}}})
    result = tree.snakemake("fig5", configuration=(*TINY_FILES, overlay))
    assert result.returncode == 0, result.stdout
    table = pd.read_parquet(tree.folder / "results" / "grouped" / "activation_growth.parquet")
    assert set(table["recipe"]) == {"batch", "quartet-leaky-he"}


COSINE = {
    "__init__.py": '"""Do two halves of a mini-batch push the same way?"""\n',
    "settings.py": '''"""Settings and columns."""
from repro.settings.experiment import NetworkSettings, number

ITEM = "cosine"
TABLE = "csv"


class Settings(NetworkSettings):
    """Settings of the cosine between two gradients."""


COLUMNS = {"cosine": number("cosine between the gradients of two halves of a mini-batch")}
''',
    "measure.py": '''"""Cosine."""
import pandas as pd
import torch
from torch.nn import functional


def measure(snapshot, settings):
    """One row."""
    images, labels = snapshot.mini_batch()
    half = len(images) // 2
    gradients = []
    for part in (slice(half), slice(half, None)):
        loss = functional.cross_entropy(snapshot.network(images[part]), labels[part])
        found = torch.autograd.grad(loss, list(snapshot.network.parameters()))
        gradients.append(torch.cat([one.flatten() for one in found]))
    return pd.DataFrame({"cosine": [functional.cosine_similarity(*gradients, dim=0).item()]})
''',
    "show.py": '''"""A dot per network."""
from repro.results import style
from repro.results.cases import cases

CLAIMS = []


def summarise(table):
    """Medians."""
    return table.groupby(["recipe", "after"])["cosine"].median().reset_index()


def plot(table):
    """Against the moment."""
    figure, axes = style.panels(1, 1)
    for case in cases(table):
        rows = case.rows(table)
        axes[0, 0].plot(rows["after"], rows["cosine"], "o", color=case.colour, label=case.label)
    axes[0, 0].legend()
    return figure
''',
    "caption.rst": "**Cosine.** {{ snakemake.config.measured.cosine_similarity }}\n",
}


def test_a_new_experiment_on_trained_networks_is_one_folder_and_one_line(tree: Tree):
    folder = tree.folder / "repro" / "experiments" / "cosine_similarity"
    folder.mkdir()
    for name, content in COSINE.items():
        (folder / name).write_text(content)
    assert tree.plan(configuration=TINY_FILES) == {}
    recipes = TINY["experiments"]["training_curves"]["recipes"]
    settings = {"seeds": 1, "after": [0.0, 0.5, 1.0], "recipes": recipes}
    overlay = tree.overlay("cosine", {"experiments": {"cosine_similarity": settings}})
    files = (*TINY_FILES, overlay)
    assert tree.plan(configuration=files) == again("cosine_similarity")
    result = tree.snakemake(configuration=files)
    assert result.returncode == 0, result.stdout
    table = pd.read_csv(tree.folder / "results" / "tiny" / "cosine_similarity.csv")
    assert list(table["after"]) == [0, 0.5, 1] * 2
    assert table["cosine"].between(-1, 1).all()
    report = (tree.folder / "paper_figures" / "tiny" / "report.html").read_text()
    assert "paper_figures/tiny/cosine.svg" in report


def test_changing_a_learning_rate_retrains_one_recipe(tree: Tree):
    recipes = [{}, {"normalisation": "none", "learning_rate": 2e-3}]
    overlay = tree.overlay("rate", {"experiments": {"training_curves": {"recipes": recipes}}})
    expected = again("training_curves") | {"train": 1}
    assert tree.plan(configuration=(*TINY_FILES, overlay)) == expected


def test_what_decides_training_alone_leaves_untrained_networks_alone(tree: Tree):
    overlay = tree.overlay("momentum", {"recipe": {"momentum": 0.8}})
    expected = again("training_curves", "channel_gradients") | {"train": 2}
    assert tree.plan(configuration=(*TINY_FILES, overlay)) == expected


def test_changing_an_experiments_seeds_measures_it_again(tree: Tree):
    overlay = tree.overlay("seeds", {"experiments": {"activation_growth": {"seeds": 3}}})
    assert tree.plan(configuration=(*TINY_FILES, overlay)) == again("activation_growth")


def test_a_lost_figure_is_drawn_again(tree: Tree):
    (tree.folder / "paper_figures" / "tiny" / "fig8.pdf").unlink()
    assert tree.plan("figures", configuration=TINY_FILES) == {"show_limiting_spectrum": 1}


def test_a_lost_table_is_measured_again(tree: Tree):
    (tree.folder / "results" / "tiny" / "limiting_spectrum.json").unlink()
    expected = {"measure_limiting_spectrum": 1, "show_limiting_spectrum": 1}
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


MEASURE, SHOW, CLAIMS = (f"repro/experiments/activation_growth/{part}.py" for part in ("measure", "show", "claims"))
OTHER = "repro/experiments/limiting_spectrum/show.py"


def raising(function: str, arguments: str, sentence: str) -> str:
    """An edit after which a function of a module complains."""
    error = "__import__('repro.machine.errors').machine.errors.UserError"
    return f"\n\ndef {function}({arguments}):\n    raise {error}({sentence!r})\n"


def test_a_failure_stops_only_what_depends_on_it_and_says_its_sentence_last(tree: Tree):
    sentence = "The seeds are spoilt; choose others."
    tree.edit(MEASURE, raising("measure", "snapshot, settings", sentence))
    tree.edit(OTHER)
    drawn = tree.folder / "paper_figures" / "tiny" / "fig8.pdf"
    before = drawn.stat().st_mtime_ns
    result = tree.snakemake("fig5", "fig8", configuration=TINY_FILES)
    assert result.returncode != 0
    assert f"Error: {sentence}" in result.stdout
    assert "Traceback" not in result.stdout
    assert drawn.stat().st_mtime_ns > before
    last = [line for line in result.stdout.splitlines() if line.strip()][-1]
    assert last.startswith(f"measure-activation_growth failed: {sentence} (Log: "), result.stdout


def test_a_measurement_that_fails_leaves_the_last_good_table_in_place(tree: Tree):
    results = tree.folder / "results" / "tiny"
    files = [results / "activation_growth.parquet", results / "activation_growth.json"]
    before = [file.read_bytes() for file in files]
    tree.edit(MEASURE, raising("measure", "snapshot, settings", "Spoilt."))
    assert tree.snakemake("fig5", configuration=TINY_FILES).returncode != 0
    assert [file.read_bytes() for file in files] == before
    # It is not taken for the new one.
    assert tree.plan("fig5", configuration=TINY_FILES) == {"measure_activation_growth": 1, "show_activation_growth": 1}


@pytest.mark.parametrize(
    ("file", "function", "arguments"),
    [
        (MEASURE, "measure", "snapshot, settings"),
        (SHOW, "summarise", "table"),
        (SHOW, "plot", "table"),
    ],
)
def test_a_fault_in_code_shows_the_traceback_to_its_line(tree: Tree, file: str, function: str, arguments: str):
    tree.edit(file, f"\n\ndef {function}({arguments}):\n    return {arguments.split(',')[0]}.nonsense\n")
    result = tree.snakemake("fig5", configuration=TINY_FILES)
    assert result.returncode != 0
    line = len((tree.folder / file).read_text().splitlines())
    assert f'{file}", line {line}, in {function}' in result.stdout
    assert "has no attribute 'nonsense'" in result.stdout


def test_a_fault_in_a_claim_shows_the_traceback_to_its_line(tree: Tree):
    faulty = "Condition('growth', lambda table: table.nonsense, Region(above=0.0), 'why')"
    tree.edit(CLAIMS, f"\n\nCLAIMS = [Claim('grows', 'own', 'It grows.', 'Section 1', ({faulty},), Needs())]\n")
    result = tree.snakemake("results/tiny/scorecard.csv", configuration=TINY_FILES)
    assert result.returncode != 0
    line = len((tree.folder / CLAIMS).read_text().splitlines())
    assert f'{CLAIMS}", line {line}, in <lambda>' in result.stdout


def test_a_table_measured_under_other_settings_is_noticed_and_not_drawn(tree: Tree):
    overlay = tree.overlay("other", {"name": "other", "experiments": {"activation_growth": {"seeds": 1}}})
    files = (*TINY_FILES, overlay)
    results = tree.folder / "results"
    assert tree.snakemake("fig5", configuration=files).returncode == 0
    for suffix in ("parquet", "json"):
        shutil.copy2(results / "other" / f"activation_growth.{suffix}", results / "tiny")
    result = tree.snakemake("fig5", configuration=TINY_FILES)
    assert result.returncode != 0
    last = [line for line in result.stdout.splitlines() if line.strip()][-1]
    assert "was measured under other settings than the configuration's; measure activation_growth again" in last
    assert not (tree.folder / "paper_figures" / "tiny" / "fig5.pdf").exists()


def test_the_terminal_gets_a_line_per_job_and_how_long_is_left(tree: Tree):
    overlay = tree.overlay("again", {"name": "again"})
    result = tree.snakemake(configuration=(*TINY_FILES, overlay))
    assert result.returncode == 0, result.stdout
    lines = result.stdout.splitlines()
    assert len(lines) < 40, result.stdout
    shown = [line for line in lines if line.endswith("Showing fig1 (training_curves)")]
    assert len(shown) == 1
    assert re.match(r"\[\d+ of \d+ done, about \d+ s left\]", shown[0])
    log = max((tree.folder / ".snakemake" / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    assert "Reason: " in log.read_text()


def test_a_table_of_trained_networks_from_the_command_line(tree: Tree):
    """Table 1 and Figure 5 at the end of training, at another batch size, without code."""
    recipes = "[{batch_size: 32}, {batch_size: 32, normalisation: none, learning_rate: 0.001}]"
    at_the_end = f"{{seeds: 1, after: [1], recipes: {recipes}}}"
    (tree.folder / "config" / "mine.yaml").write_text(
        f"name: mine\nexperiments: {{input_independence: {at_the_end}, activation_growth: {at_the_end}}}\n"
    )
    result = tree.snakemake("table1", "fig5", configuration=(*TINY_FILES, "config/mine.yaml"))
    assert result.returncode == 0, result.stdout
    table = pd.read_csv(tree.folder / "results" / "mine" / "input_independence.csv")
    assert set(table["recipe"]) == {"batch-batch32", "none-lr0.001-batch32"}
    assert set(table["after"]) == {1}


def test_after_a_failure_a_report_says_what_is_missing_and_why(tree: Tree):
    module = tree.folder / MEASURE
    original = module.read_bytes()
    sentence = "The *seeds* of batch_size are `spoilt` <now>: {{ choose }} others."
    tree.edit(MEASURE, raising("measure", "snapshot, settings", sentence))
    tree.edit(OTHER)
    reports = [tree.folder / "paper_figures" / "tiny" / name for name in ("report.html", "report-incomplete.html")]
    whole = reports[0].read_bytes()
    result = tree.snakemake(configuration=TINY_FILES)
    assert result.returncode != 0
    assert f"Missing: fig5 (activation_growth). measure-activation_growth failed: {sentence} (Log: " in result.stdout
    text = html.unescape(reports[1].read_text())
    assert "This report is not complete." in text
    assert f"fig5 (activation_growth)</strong>: measure-activation_growth failed: {sentence} (Log: " in text
    assert "scorecard</strong>: " in text
    # The figures that could be made, and not the older one that could not.
    shown = {item for item in ITEMS.values() if f"paper_figures/tiny/{item}.svg" in text}
    assert shown == set(ITEMS.values()) - {"fig5"}
    assert reports[0].read_bytes() == whole

    module.write_bytes(original)
    assert tree.snakemake(configuration=TINY_FILES).returncode == 0
    assert not reports[1].exists()
    assert "This report is not complete." not in reports[0].read_text()


def test_a_report_is_made_when_nothing_at_all_could_be_drawn(tree: Tree):
    tree.edit("repro/results/style.py", "\nraise ValueError('the style is *broken*')\n")
    result = tree.snakemake(configuration=TINY_FILES)
    assert result.returncode != 0
    text = html.unescape((tree.folder / "paper_figures" / "tiny" / "report-incomplete.html").read_text())
    for name, item in ITEMS.items():
        assert f"{item} ({name})</strong>: {item} failed: ValueError: the style is *broken* (Log: " in text
        assert f"paper_figures/tiny/{item}.svg" not in text


def test_a_killed_training_goes_on_from_its_checkpoint(tree: Tree, record_property: Callable[[str, object], None]):
    settings = {"recipe": {"epochs": 30}, "training": {"checkpoint_minutes": 0.0}}
    overlay = tree.overlay("long", {"name": "long"} | settings)
    files = (*TINY_FILES, overlay)
    target = "results/long/training/batch.parquet"
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
    # A network is kept, in a file beside it, before the checkpoint is written.
    while not [path for path in checkpoints.glob("*-seed0*.pt") if "-after" not in path.name]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tree.folder / target).exists()

    result = tree.snakemake(target, configuration=files)
    assert result.returncode == 0, result.stdout
    assert list(pd.read_parquet(tree.folder / target)["epoch"]) == list(range(1, 31))
    log = (tree.folder / "results" / "long" / "logs" / "train-batch.log").read_text()
    assert "epoch 30/30" in log
    assert "epoch 1/30" not in log
    record_property("kills survived", 1)


def test_recipes_that_share_a_gpu_are_trained_in_the_job_of_the_first(tree: Tree):
    """Where there is no GPU, one after the other."""

    def overlay(name: str, rate: float) -> str:
        recipes = [*TINY["experiments"]["training_curves"]["recipes"], {"normalisation": "none", "learning_rate": rate}]
        settings = {"training": {"networks_at_once": 3}, "experiments": {"training_curves": {"recipes": recipes}}}
        return tree.overlay(name, {"name": "together", "device": "auto"} | settings)

    configuration, target = (*TINY_FILES, overlay("together", 2e-3)), "results/together/training_curves.parquet"
    result = tree.snakemake(target, configuration=configuration)
    assert result.returncode == 0, result.stdout
    trained = (*TRAINED, "none-lr0.002")
    first, *others = ((tree.folder / f"results/together/logs/train-{name}.log").read_text() for name in trained)
    assert all(f"{name} seed 0: epoch 2/2" in first for name in trained)
    assert not any("epoch" in other for other in others)
    assert tree.plan(target, configuration=configuration) == {}
    # The first one trains what is new; the one that did not change is left alone.
    changed = (*TINY_FILES, overlay("changed", 3e-3))
    assert tree.plan(target, configuration=changed) == {"train": 2, "measure_training_curves": 1}
