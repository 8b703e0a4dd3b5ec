"""The cluster profile on a real Slurm: one node on the loopback interface, started by this test.

Needs root, Debian's slurm-wlm and munge (`apt-get install slurm-wlm munge`) and no Slurm of the machine's own; run by
hand with `pytest -m slurm`, and by `.ci/run` where it can install them.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from repro import tables
from tests.workflow.conftest import environment, fresh_tree

pytestmark = pytest.mark.slurm

MARK = "# written by tests/workflow/test_slurm.py\n"
# Jobs do not inherit SLURM_CONF, so that the configuration has to lie where Slurm looks for it.
CONFIGURATION = Path("/etc/slurm/slurm.conf")

SETTINGS = {
    "name": "cluster",
    "device": "cpu",
    "network": {"depth": 8},
    "training": {
        "depth": 8,
        "seeds": 1,
        "checkpoint_minutes": 0,
        "conditions": [{"normalisation": "batch", "learning_rate": 0.1, "epochs": 60}],
    },
}
TABLE = "results/cluster/training/batch-0.1.parquet"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """munged, slurmctld and slurmd, stopped in the end."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch"))):
        pytest.fail("this test needs root and Debian's slurm-wlm and munge: apt-get install slurm-wlm munge")
    if CONFIGURATION.exists() and not CONFIGURATION.read_text().startswith(MARK):
        pytest.fail(f"{CONFIGURATION} exists: this machine has a Slurm of its own, which this test leaves alone")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    host = socket.gethostname()
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(
        MARK
        + f"""ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MinJobAge=3600
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
    )
    munge = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    daemons = []
    with (folder / "daemons.log").open("w") as log:
        try:
            for command in (
                ["munged", "--foreground", "--force", f"--key-file={key}", *munge],
                ["slurmctld", "-D"],
                ["slurmd", "-D"],
            ):
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
                time.sleep(2)
            deadline = time.monotonic() + 60
            while "idle" not in subprocess.run(["sinfo", "-h"], capture_output=True, text=True, check=False).stdout:
                assert time.monotonic() < deadline, (folder / "daemons.log").read_text()
                time.sleep(1)
            yield
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(timeout=30)
            CONFIGURATION.unlink()


@pytest.mark.usefixtures("slurm")
def test_a_job_killed_by_its_time_limit_is_sent_again_and_goes_on(tmp_path_factory: pytest.TempPathFactory):
    tree = fresh_tree(tmp_path_factory.mktemp("tree"))
    tree.overlay("cluster", SETTINGS)
    files = ("config/quick.yaml", "config/cluster.yaml")
    # The commands of the README; a loopback Slurm has no accounting, and a minute is the shortest time limit.
    command = [arg for arg in tree.command("fig1", configuration=files) if arg not in ("--cores", "2")]
    command += ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"]
    command += ["--slurm-init-seconds-before-status-checks", "5", "--seconds-between-status-checks", "5"]
    command += ["--set-resources", "train:runtime=1"]
    done = subprocess.run(
        command, cwd=tree.folder, env=environment(), capture_output=True, text=True, timeout=900, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "has been submitted with SLURM jobid" in said
    assert said.count("Trying to restart job") >= 1, said
    calm = fresh_tree(tmp_path_factory.mktemp("calm"))
    calm.overlay("cluster", SETTINGS)
    alone = calm.snakemake("fig1", configuration=files)
    assert alone.returncode == 0, alone.stdout
    (found, where), (expected, there) = (tables.read(folder / TABLE) for folder in (tree.folder, calm.folder))
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True)
    assert where["weights"] == there["weights"]
