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


def run(folder: Path, mode: str, kills: int) -> list[tuple[pd.DataFrame, dict]]:
    """The table and provenance of each training, the last of which survived the last kill."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.kill_driver", mode, str(kills)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=True)
    said = json.loads(done.stdout)
    assert said["status"] == 0, (folder / str(said["trainings"]) / "log.txt").read_text()
    assert said["killed"] == kills
    found = [tables.read(folder / str(number) / TABLE) for number in range(1, said["trainings"] + 1)]
    return [(table.drop(columns="seconds"), provenance) for table, provenance in found]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), "never", 0)[0]


@pytest.mark.parametrize(("mode", "kills"), [("random", 20), ("calls", 21)])
def test_kills_change_nothing(tmp_path, undisturbed, record_property, mode, kills):
    expected, provenance = undisturbed
    for table, found in run(tmp_path, mode, kills):
        pd.testing.assert_frame_equal(table, expected, check_exact=True)
        assert found["weights"] == provenance["weights"]
    record_property("kills survived", kills)
