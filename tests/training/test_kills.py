"""Training that is killed with SIGKILL, again and again, ends with the numbers and weights of an undisturbed run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from repro import tables

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path("results/killed/training/batch-0.1.parquet")

pytestmark = pytest.mark.xdist_group("kills")


def run(folder: Path, mode: str, times: int) -> tuple[int, pd.DataFrame, dict]:
    """How many runs were killed, and the table and provenance in the end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.kill_driver", mode, str(times)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=True)
    said = json.loads(done.stdout)
    assert said["status"] == 0, (folder / "log.txt").read_text()
    table, provenance = tables.read(folder / TABLE)
    return said["killed"], table.drop(columns="seconds"), provenance


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), "never", 0)


@pytest.mark.parametrize(("mode", "times", "at_least"), [("random", 25, 20), ("calls", 21, 15)])
def test_kills_change_nothing(tmp_path, undisturbed, mode, times, at_least):
    _, expected, provenance = undisturbed
    killed, table, found = run(tmp_path, mode, times)
    assert killed >= at_least
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert found["weights"] == provenance["weights"]
