"""Every command in the README and in docs/ runs, from the text itself, in small."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Tree, environment, fresh_tree

# With what else runs the workflow.
pytestmark = pytest.mark.xdist_group("workflow")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Laid over whatever configuration a command names, so that it takes seconds; what it makes stays the same.
SMALL = {
    "device": "cpu",
    "recipe": {
        "images": {"source": "synthetic", "positions": None, "train_images": 100, "test_images": 20},
        "depth": 8,
        "batch_size": 16,
        "epochs": 2,
    },
    "experiments": {
        "product_spectra": {"size": 40},
        "condition_growth": {"sizes": [10], "draws": 2},
        "product_analogy": {"width": 40, "draws": 2, "depths": [1, 2]},
        "jacobian_spectra": {"seeds": 1, "steps": 3, "every": 8},
        "layer_operators": {"every": 4},
        "noise_bound": {"seeds": 1, "images": 16, "batch_sizes": [4, 8], "draws": 2},
        "step_landscape": {"seeds": 1, "points": 2},
        "diverging_update": {"seeds": 1, "points": 2, "maximum_steps": 2},
    },
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Page and command of every line of a shell block, without its remark."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            found += [(page.name, line.split("  #")[0].split(" # ")[0].strip()) for line in block.splitlines()]
    return [(page, command) for page, command in dict.fromkeys(found) if command]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    copy = fresh_tree(tmp_path_factory.mktemp("documentation"))
    for name in ("results/published", "docs"):
        (copy.folder / name).parent.mkdir(exist_ok=True)
        (copy.folder / name).symlink_to(ROOT / name)
    copy.overlay("small", SMALL)
    return copy


def test_there_are_commands_in_the_readme_and_in_the_pages():
    assert len({page for page, _ in commands()}) >= 3
    assert len(commands()) > 10


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_of_the_documentation_runs(page: str, command: str, tree: Tree):
    words = shlex.split(command)
    if words[0] == "make":
        # What it does is run by others: `make test` is this run, `make reproduce` the default of Snakemake.
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return
    assert words[:2] == ["uv", "run"], f"{page}: {command}"
    words = words[2:]
    if words[0] == "snakemake":
        if "--configfile" not in words:
            words += ["--configfile", "config/quick.yaml"]
        words += ["config/small.yaml", "--cores", "2"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-m", *words] if words[0] == "snakemake" else words,
        cwd=tree.folder,
        env=environment() | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, f"{page}: {command}\n{result.stdout}"


@pytest.mark.parametrize(("page", "code"), [(page.name, code) for page in PAGES for code in blocks(page, "python")])
def test_python_in_the_documentation_runs(page: str, code: str, tree: Tree):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tree.folder,
        env=environment() | {"PYTHONPATH": str(tree.folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, f"{page}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if target and not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_anchors_are_headings():
    headings = {
        page.name: {
            re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in page.read_text(encoding="utf-8").splitlines()
            if line.startswith("#")
        }
        for page in PAGES
    }
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]*)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert anchor in headings[Path(target).name if target else page.name], f"{page.name}: {target}#{anchor}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
