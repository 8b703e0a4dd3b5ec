"""Training that is killed with SIGKILL, again and again, ends with the numbers and networks of an undisturbed run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from repro.results import tables

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path("results/killed/training/batch.parquet")
NETWORKS = [Path(f"results/killed/networks/batch/after{share}.pt") for share in ("0.02", "0.5", "1")]

pytestmark = pytest.mark.xdist_group("kills")


def run(folder: Path, mode: str, kills: int) -> list[tuple[pd.DataFrame, dict, list[bytes]]]:
    """Table, provenance and kept networks of each training, the last of which survived the last kill."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.kill_driver", mode, str(kills)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=True)
    said = json.loads(done.stdout)
    assert said["status"] == 0, (folder / str(said["trainings"]) / "log.txt").read_text()
    assert said["killed"] == kills
    found = []
    for place in (folder / str(number) for number in range(1, said["trainings"] + 1)):
        table, provenance = tables.read(place / TABLE)
        found.append((table.drop(columns="seconds"), provenance, [(place / file).read_bytes() for file in NETWORKS]))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), "never", 0)[0]


@pytest.mark.parametrize(("mode", "kills"), [("random", 20), ("calls", 21)])
def test_kills_change_nothing(tmp_path, undisturbed, record_property, mode, kills):
    expected, provenance, networks = undisturbed
    for table, found, kept in run(tmp_path, mode, kills):
        pd.testing.assert_frame_equal(table, expected, check_exact=True)
        assert found["weights"] == provenance["weights"]
        assert kept == networks
    record_property("kills survived", kills)
