"""What would run, in a clone in which nothing has run yet."""

import subprocess
import sys

import pytest

from repro.settings import catalogue
from repro.settings.configuration import load
from tests.workflow.conftest import ROOT, Tree, environment

NAMES = list(catalogue.entries())


def rules_of(*names: str) -> dict[str, int]:
    """The measurement and the figure of each experiment, once."""
    return {rule: 1 for name in names for rule in (f"measure_{name}", f"show_{name}")}


@pytest.mark.parametrize("name", ["quick", "short", "paper", "initialisation", "small_data"])
def test_every_shipped_configuration_plans_one_job_per_recipe_and_two_per_experiment(tree: Tree, name: str):
    configuration = load([str(ROOT / "config" / f"{name}.yaml")])
    expected = rules_of(*configuration.chosen) | {"data": 1, "scorecard": 1, "page": 1, "report": 1}
    if configuration.runs:
        expected["train"] = len(configuration.runs)
    assert tree.plan(configuration=() if name == "quick" else (f"config/{name}.yaml",)) == expected


def test_the_papers_grid_has_thirteen_recipes():
    configuration = load([str(ROOT / "config" / "paper.yaml")])
    assert len(configuration.runs) == 13
    assert {run.seeds for run in configuration.runs.values()} == {5}
    # The four curves of Figure 1 take 31,425 network-epochs.
    published = ("batch", "batch-lr0.003-epochs1320", "batch-lr0.0001-epochs2400", "none-lr0.0001-epochs2400")
    assert sum(5 * configuration.runs[name].recipe.epochs for name in published) == 31_425


def test_an_item_needs_just_what_it_is_made_from(tree: Tree):
    assert tree.plan("fig5") == rules_of("activation_growth") | {"data": 1}
    assert tree.plan("fig8") == rules_of("limiting_spectrum")


def test_the_training_curves_need_every_recipe(tree: Tree):
    planned = tree.plan("fig1", configuration=("config/short.yaml",))
    assert planned == rules_of("training_curves") | {"data": 1, "train": 6}


def test_every_item_and_every_experiment_is_a_target(tree: Tree):
    """In one dry run: all names at once plan all the figures, and neither scorecard, page nor report."""
    by_item = tree.plan(*[entry.item for entry in catalogue.entries().values()])
    assert by_item == rules_of(*NAMES) | {"data": 1, "train": by_item["train"]}
    by_name = tree.plan(*NAMES)
    assert by_name == by_item
    assert tree.plan("figures") == by_item


def test_what_needs_no_training_can_be_asked_for(tree: Tree):
    chosen = load([str(ROOT / "config" / "quick.yaml")])
    names = [name for name in NAMES if not chosen.needs_training(name)]
    assert {"activation_growth", "stable_rate"} < set(names)
    assert not {"training_curves", "activations_in_training", "speed", "dropout", "insertion"} & set(names)
    assert tree.plan("initialisation") == rules_of(*names) | {"data": 1}


def test_what_a_configuration_does_not_make_says_so(tree: Tree):
    result = tree.snakemake("fig8", configuration=("config/short.yaml",))
    assert result.returncode != 0
    assert "limiting_spectrum (fig8) is not among the experiments of configuration 'short'" in result.stdout
    assert "add `limiting_spectrum: {}` below its `experiments`" in result.stdout


def test_planning_imports_neither_torch_nor_pandas(tree: Tree):
    check = (
        "import sys\nsys.argv = ['snakemake', '--dry-run', '--quiet', 'all', '--cores', '1']\n"
        "from snakemake.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "ours = [name for name in sys.modules if name.startswith('repro.workflow')]\n"
        "assert ours, 'the Snakefile was not read'\n"
        "assert 'torch' not in sys.modules, 'torch'\n"
        "assert 'matplotlib' not in sys.modules, 'matplotlib'\n"
        "assert not any('pandas' in str(getattr(sys.modules[name], 'pd', '')) for name in ours), 'pandas'\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", check], cwd=tree.folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_plan_says_how_much_is_to_be_trained(tree: Tree):
    output = tree.snakemake("--dry-run", "fig1").stdout
    assert "All that is to be trained: 22 recipes, 44 networks, 134 network-epochs if none diverges" in output


def test_a_plan_says_where_results_would_go(tree: Tree):
    overlay = tree.overlay("mine", {"name": "mine"})
    output = tree.snakemake("--dry-run", "fig1", configuration=("config/quick.yaml", overlay)).stdout
    assert "results/mine/training_curves.parquet" in output
    assert "results/quick" not in output


def test_no_rule_writes_to_the_published_tables(tree: Tree):
    result = tree.snakemake("--dry-run", "results/published/activation_growth.parquet")
    assert result.returncode != 0
    assert "MissingRule" in result.stdout


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"recipy": {"depth": 8}}, "recipy is not a setting; did you mean 'recipe'?"),
        ({"recipe": {"depth": 9}}, "recipe.depth: must be 6n+2"),
        ({"recipe": {"depth": 999999998}}, "recipe.depth: must be at most 1202"),
        ({"recipe": {"depth": "110"}}, "recipe.depth should be a valid integer"),
        ({"recipe": {"normalisation": "bach"}}, "recipe.normalisation: should be one of batch, batch_renormalisation"),
        ({"experiments": {"training_curves": {"seeds": 0}}}, "seeds should be greater than or equal to 1"),
        ({"experiments": {"training_curves": {"recipes": []}}}, "experiments.training_curves.recipes"),
        ({"experiments": {"training_curves": {"recipes": [{"lr": 1}]}}}, "experiments.training_curves.recipes"),
        ({"experiments": {"activation_growth": {"after": [0.3]}}}, "not kept after a share 0.3"),
        ({"name": "published"}, "choose another name"),
        ({"name": "../elsewhere"}, "name should match pattern"),
    ],
)
def test_a_bad_configuration_is_one_sentence(tree: Tree, settings: dict, expected: str):
    overlay = tree.overlay("bad", settings)
    result = tree.snakemake("--dry-run", configuration=("config/quick.yaml", overlay))
    assert result.returncode != 0
    errors = [line for line in result.stdout.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(errors) == 1, result.stdout
    assert errors[0].startswith("Error: Configuration: ")
    assert expected in errors[0]


def test_without_a_configuration_it_says_what_to_give(tree: Tree):
    result = tree.snakemake("--dry-run", "--workflow-profile", "none")
    assert result.returncode != 0
    assert "Error: There is no configuration; add one, like --configfile config/quick.yaml." in result.stdout
    assert "Traceback" not in result.stdout


def test_a_missing_configuration_file_is_named(tree: Tree):
    """By Snakemake itself, before it reads the Snakefile; its last line says it."""
    result = tree.snakemake("--dry-run", configuration=("config/missing.yaml",))
    assert result.returncode != 0
    assert "No such file or directory: 'config/missing.yaml'" in result.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("profile", ["gpu", "slurm"])
def test_the_other_profiles_plan_the_paper_too(tree: Tree, profile: str):
    result = tree.snakemake("--dry-run", "fig1", "--workflow-profile", profile, configuration=("config/paper.yaml",))
    assert result.returncode == 0, result.stdout
    assert "Training batch-final-lr0.03" in result.stdout
