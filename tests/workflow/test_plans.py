"""What would run, in a clone in which nothing has run yet."""

import pytest
import yaml

from repro.config import experiment_entry, experiment_names, load
from tests.workflow.conftest import ROOT, Tree


def rules_of(*names: str) -> dict[str, int]:
    """The measurement and the figure of each experiment, once."""
    return {rule: 1 for name in names for rule in (f"measure_{name}", f"draw_{name}")}


@pytest.mark.parametrize("name", ["quick", "short", "paper"])
def test_every_shipped_configuration_plans_one_job_per_condition_and_two_per_experiment(tree: Tree, name: str):
    conditions = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())["training"]["conditions"]
    expected = rules_of(*experiment_names()) | {"data": 1, "train": len(conditions), "claims": 1, "report": 1}
    configuration = () if name == "quick" else (f"config/{name}.yaml",)
    assert tree.plan(configuration=configuration) == expected


def test_an_item_needs_just_what_it_is_made_from(tree: Tree):
    assert tree.plan("fig5") == rules_of("activation_growth") | {"data": 1}
    assert tree.plan("fig8") == rules_of("limiting_spectrum")


def test_the_training_curves_need_every_condition(tree: Tree):
    assert tree.plan("fig1", configuration=("config/short.yaml",)) == rules_of("training_curves") | {
        "data": 1,
        "train": 6,
    }


def test_every_item_and_every_experiment_is_a_target(tree: Tree):
    """In one dry run: all names at once plan all the figures, and neither claims nor report."""
    names = experiment_names()
    by_item = tree.plan(*[experiment_entry(name)["item"] for name in names])
    assert by_item == rules_of(*names) | {"data": 1, "train": by_item["train"]}
    by_name = tree.plan(*names)
    assert by_name == by_item
    assert tree.plan("figures") == by_item


def test_what_needs_no_training_can_be_asked_for(tree: Tree):
    names = [name for name in experiment_names() if experiment_entry(name)["needs"] != "training"]
    assert tree.plan("initialisation", configuration=("config/initialisation.yaml",)) == rules_of(*names) | {"data": 1}


def test_a_plan_says_where_results_would_go(tree: Tree):
    overlay = tree.overlay("mine", {"name": "mine", "training": {"depth": 14}})
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
        ({"netwrok": {"depth": 8}}, "netwrok is not a setting; did you mean 'network'?"),
        ({"network": {"depth": 9}}, "network.depth: must be 6n+2"),
        ({"network": {"depth": "110"}}, "network.depth should be a valid integer"),
        ({"training": {"seeds": 0}}, "training.seeds should be greater than or equal to 1"),
        ({"training": {"conditions": []}}, "training.conditions"),
        ({"name": "published"}, "choose another name"),
        ({"name": "../elsewhere"}, "name String should match pattern"),
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
    assert "Training final-0.03" in result.stdout


def test_the_readme_says_how_many_gpus_the_papers_grid_can_use():
    training = load([str(ROOT / "config" / "paper.yaml")]).training
    epochs = sorted((condition.epochs * training.seeds for condition in training.conditions), reverse=True)

    def finish(gpus: int) -> int:
        """Epochs until the last GPU is done, the longest condition first."""
        loads = [0] * gpus
        for job in epochs:
            loads[loads.index(min(loads))] += job
        return max(loads)

    assert len(epochs) == 13
    assert (epochs.count(12_000), epochs[0], sum(epochs)) == (6, 12_000, 100_875)
    assert finish(9) > finish(10) == finish(13) == epochs[0]
    assert f"{sum(epochs) / epochs[0]:.1f}" == "8.4"
    needs = [experiment_entry(name)["needs"] for name in experiment_names()]
    assert sum(need in ("network", "steps") for need in needs) == 10
    text = " ".join((ROOT / "README.md").read_text().split())
    assert "thirteen in all, beside ten short ones" in text
    assert "longest six have 12,000 of the 100,875 epochs each: ten GPUs finish as early as thirteen, 8.4 times" in text
