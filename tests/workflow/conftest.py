"""Copies of the tree in which Snakemake runs, one of them with a finished small run that several tests share."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from repro.settings import catalogue

ROOT = Path(__file__).resolve().parents[2]

# Everything the workflow reads; what a run writes, and the environment, stay behind.
TREE = ("Snakefile", "repro", "workflow", "config", "environment.yml", "profiles")

TINY = {
    "name": "tiny",
    "device": "cpu",
    "recipe": {
        "images": {"source": "synthetic", "train_images": 100, "test_images": 20},
        "depth": 8,
        "batch_size": 16,
        "epochs": 2,
    },
    "experiments": {
        "training_curves": {"seeds": 1, "recipes": [{}, {"normalisation": "none", "learning_rate": 1e-3}]},
        "activation_growth": {"seeds": 2},
        "channel_gradients": {
            "seeds": 1,
            "after": [0.0, 1.0],
            "recipes": [{}, {"normalisation": "none", "learning_rate": 1e-3}],
        },
        "limiting_spectrum": {"factors": [1, 2]},
    },
}

# One that needs histories, one that looks at untrained networks, one at trained ones, one at none.
ITEMS = {name: catalogue.entry(name).item for name in TINY["experiments"]}
TRAINED = ("batch", "none-lr0.001")


@dataclass(frozen=True)
class Tree:
    """A copy of the tree to run Snakemake in."""

    folder: Path

    def snakemake(self, *arguments: str, configuration: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end with `configuration` files, if any, in place of the default one."""
        return subprocess.run(
            self.command(*arguments, configuration=configuration),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    def command(self, *arguments: str, configuration: tuple[str, ...] = ()) -> list[str]:
        files = ["--configfile", *configuration] if configuration else []
        return [sys.executable, "-m", "snakemake", *arguments, *files, "--cores", "2"]

    def plan(self, *targets: str, configuration: tuple[str, ...] = ()) -> dict[str, int]:
        """How often each rule would run, without those that only name targets."""
        result = self.snakemake("--dry-run", *targets, configuration=configuration)
        assert result.returncode == 0, result.stdout
        if "Job stats" not in result.stdout:
            assert "Nothing to be done" in result.stdout
            return {}
        table = result.stdout.split("Job stats")[-1]
        jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
        targets = {"total", "all", "figures", "initialisation"}
        targets |= {name for entry in catalogue.entries().values() for name in (entry.name, entry.item)}
        return {rule: count for rule, count in jobs.items() if rule not in targets}

    def overlay(self, name: str, settings: Mapping[str, object]) -> str:
        """A configuration file in the tree; returns its path for `--configfile`."""
        path = self.folder / "config" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(dict(settings)))
        return f"config/{name}.yaml"

    def edit(self, path: str, text: str = "\nEDITED = True\n") -> None:
        file = self.folder / path
        file.write_text(file.read_text() + text)

    def copy(self, folder: Path) -> "Tree":
        """The tree with all that was run in it, times included, to change it without harm to others."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Tree(folder)


def environment() -> dict[str, str]:
    """What Snakemake gets from outside; without a user's own profile."""
    unwanted = ("SNAKEMAKE_", "PYTEST_", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}


def fresh_tree(folder: Path) -> Tree:
    folder.mkdir(exist_ok=True)
    for name in TREE:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return Tree(folder)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A clone in which nothing has run; for dry runs."""
    return fresh_tree(tmp_path_factory.mktemp("tree"))


def small_tree(folder: Path) -> Tree:
    """A clone with the configuration `TINY`, in which nothing has run."""
    small = fresh_tree(folder)
    small.overlay("tiny", TINY)
    return small


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A small tree whose whole workflow, report included, has run."""
    small = small_tree(tmp_path_factory.mktemp("finished"))
    result = small.snakemake(configuration=TINY_FILES)
    assert result.returncode == 0, result.stdout
    return small


TINY_FILES = ("config/tiny.yaml",)
