"""The cluster profile on a real Slurm: one node on the loopback interface, started by this test.

Needs root, Debian's slurm-wlm and munge (`apt-get install slurm-wlm munge`); run by hand with `pytest -m slurm`, and by
`.ci/run` where it can install them. Skipped, with what they said, where the daemons do not start, and where a Slurm or
another run of this test is there already.
"""

import fcntl
import math
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from repro.results import tables
from tests.workflow.conftest import Tree, environment, fresh_tree

pytestmark = pytest.mark.slurm

MARK = "# written by tests/workflow/test_slurm.py\n"
# Jobs do not inherit SLURM_CONF, so that the configuration has to lie where Slurm looks for it.
FOLDER = Path("/etc/slurm")

TABLE = "results/cluster/training/batch.parquet"
TRAINING_SECONDS = 110  # a time limit of one minute ends a job after 60 to 90 seconds, of which it trains about 50


def overlay(epochs: int) -> dict[str, object]:
    """A ResNet-8, on a GPU if there is one: jobs then ask Slurm for it, and where there is none it does on a CPU."""
    return {
        "name": "cluster",
        "device": "auto",
        "recipe": {"depth": 8, "epochs": epochs},
        "training": {"checkpoint_minutes": 0},
        "experiments": {"training_curves": {"seeds": 1, "recipes": [{}]}},
    }


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def said(*command: str) -> str:
    """What a client of Slurm says; nothing when it waits for a daemon that is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    except subprocess.TimeoutExpired:
        return ""


def until(happened: Callable[[], bool], daemons: list[subprocess.Popen[bytes]], log: Path) -> None:
    """Wait for a daemon's start; skip, with the daemons' last words, when one ends or it takes too long."""
    deadline = time.monotonic() + 120
    while not happened():
        if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in daemons):
            pytest.skip("Slurm does not start on this machine: " + " | ".join(log.read_text().splitlines()[-8:]))
        time.sleep(0.2)


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """No other run of this test is under way on this machine."""
    with Path("/tmp/understanding-batch-normalization-slurm.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip("another run of this test is under way on this machine")
        yield


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, alone: None) -> Iterator[None]:
    """munged, slurmctld and slurmd, stopped in the end."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch"))):
        pytest.fail("this test needs root and Debian's slurm-wlm and munge: apt-get install slurm-wlm munge")
    configuration = {name: FOLDER / name for name in ("slurm.conf", "gres.conf", "cgroup.conf")}
    for path in configuration.values():
        if path.exists() and not path.read_text().startswith(MARK):
            pytest.skip(f"{path} exists: this machine has a Slurm of its own, which this test leaves alone")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    host = socket.gethostname().split(".")[0]
    # Whatever an earlier run may have left behind has other ports.
    controller_port, node_port = free_ports(2)
    FOLDER.mkdir(exist_ok=True)
    # config_overrides: the node is what is written here, however small the machine is. Its GPU is a pretended one.
    configuration["slurm.conf"].write_text(
        MARK
        + f"""ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
MinJobAge=3600
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
    )
    configuration["gres.conf"].write_text(MARK + "AutoDetect=off\nName=gpu File=/dev/null\n")
    version = [int(part) for part in said("slurmctld", "-V").split()[-1].split(".")[:2]]
    if version >= [23, 11]:  # from then on slurmd asks for control groups in any case, which containers seldom have
        configuration["cgroup.conf"].write_text(MARK + "CgroupPlugin=disabled\n")
    munge = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    steps: list[tuple[list[str], Callable[[], bool]]] = [
        (["munged", "--foreground", "--force", f"--key-file={key}", *munge], (folder / "munge" / "socket").exists),
        (["slurmctld", "-D"], lambda: "is UP" in said("scontrol", "ping")),
        (["slurmd", "-D"], lambda: "idle" in said("sinfo", "-h")),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    log = folder / "daemons.log"
    with log.open("w") as output:
        try:
            for command, started in steps:
                # In a session of its own: Ctrl-C is for the test, which then stops the daemons in good order.
                daemons.append(subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True))
                until(started, daemons, log)
            yield
        finally:
            if len(daemons) == len(steps):
                said("scancel", "--user=root")
                deadline = time.monotonic() + 60
                while said("squeue", "-h") and time.monotonic() < deadline:
                    time.sleep(1)
            for daemon in reversed(daemons):
                daemon.terminate()
                try:
                    daemon.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            for path in configuration.values():
                path.unlink(missing_ok=True)


def training(tree: Tree, epochs: int, *more: str) -> subprocess.Popen[str]:
    tree.overlay("cluster", overlay(epochs))
    command = tree.command(TABLE, configuration=("config/quick.yaml", "config/cluster.yaml"))
    if more:  # the cluster's profile says how many jobs there may be
        command = [*command[: command.index("--cores")], *more]
    return subprocess.Popen(
        command, cwd=tree.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.usefixtures("slurm")
def test_a_job_killed_by_its_time_limit_is_sent_again_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
):
    trees = [fresh_tree(tmp_path_factory.mktemp(name)) for name in ("probe", "calm", "cluster")]
    # As many epochs as take several time limits, on a fast machine and on a slow one.
    probe = training(trees[0], 6)
    output, _ = probe.communicate()
    assert probe.returncode == 0, output
    epochs = math.ceil(TRAINING_SECONDS / tables.read(trees[0].folder / TABLE)[0]["seconds"].min())
    calm = training(trees[1], epochs)
    # The command of the README; a loopback Slurm has no accounting, and a minute is the shortest time limit. On a
    # machine that has become much slower, more attempts than the profile's five.
    limited = ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue", "--retries", "30"]
    limited += ["--slurm-init-seconds-before-status-checks", "5", "--seconds-between-status-checks", "5"]
    cluster = training(trees[2], epochs, *limited, "--set-resources", "train:runtime=1")
    try:
        expected_output, found_output = calm.communicate()[0], cluster.communicate()[0]
    finally:
        calm.kill()
        cluster.kill()
    assert calm.returncode == 0, expected_output
    assert cluster.returncode == 0, found_output
    assert "has been submitted with SLURM jobid" in found_output
    assert found_output.count("Trying to restart job") >= 1, found_output
    # A rule that may use a GPU asks Slurm for one.
    jobs = said("scontrol", "--oneliner", "show", "jobs").splitlines()
    asked = {rule: [job for job in jobs if f"Comment=rule_{rule}" in job] for rule in ("data", "train")}
    assert len(asked["data"]) == 1
    assert len(asked["train"]) >= 2
    assert [job for job in jobs if re.search(r"TresPerJob=gres\Wgpu\W1\b", job)] == asked["train"]
    (found, where), (expected, there) = (tables.read(tree.folder / TABLE) for tree in (trees[2], trees[1]))
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True)
    assert where["weights"] == there["weights"]
    record_property("kills survived", found_output.count("Trying to restart job"))
