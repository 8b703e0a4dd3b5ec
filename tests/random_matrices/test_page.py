"""The examples of docs/random_matrices.md run, and every public name is used: by an experiment or by an example."""

import ast
import re
import sys
from pathlib import Path

import pytest

import repro.random_matrices as package

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "random_matrices.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def imported(source: str) -> set[str]:
    """Names that the source imports from repro.random_matrices."""
    return {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "repro.random_matrices"
        for alias in node.names
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs_on_its_own(example):
    exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})


def test_every_public_name_is_used_by_an_experiment_or_an_example():
    experiments = (ROOT / "repro" / "experiments").rglob("*.py")
    used = set().union(*map(imported, EXAMPLES), *(imported(path.read_text(encoding="utf-8")) for path in experiments))
    assert set(package.__all__) - used == set()
    assert used <= set(package.__all__)


def test_the_page_names_every_public_name():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in package.__all__ if f"`{name}`" not in text and name not in " ".join(EXAMPLES)] == []


def test_numpy_and_scipy_are_all_that_it_needs():
    allowed = {"numpy", "scipy", "repro", *sys.stdlib_module_names}
    for path in (ROOT / "repro" / "random_matrices").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path.name
            assert all(name.startswith("repro.random_matrices") for name in names if name.startswith("repro")), (
                path.name
            )
