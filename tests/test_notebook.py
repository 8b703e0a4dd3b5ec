"""The notebook runs from its first cell to its last."""

import json
import subprocess
import sys

import pytest

from tests.workflow.conftest import ROOT


def cells(name: str) -> list[str]:
    notebook = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", ["tour.ipynb"])
def test_a_notebook_runs(name: str, tmp_path):
    script = "import matplotlib\nmatplotlib.use('agg')\n" + "\nplt.figure()\n".join(
        cell if number else cell + "\nimport matplotlib.pyplot as plt" for number, cell in enumerate(cells(name))
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    said = result.stdout
    # Table 1: the summands cancel with BN, hardly without.
    ratios = [
        float(line.split()[3]) for line in said.splitlines() if len(line.split()) == 4 and line.split()[0].isdigit()
    ]
    assert len(ratios) == 6
    assert all(with_bn > 5 * without for with_bn, without in zip(ratios[:3], ratios[3:], strict=True))
    assert said.count("effective rank") == 2
    assert said.count("condition number") == 3


def test_a_notebook_is_committed_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert not any(cell.get("outputs") for cell in notebook["cells"])
