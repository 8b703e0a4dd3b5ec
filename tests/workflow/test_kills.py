"""Snakemake killed at random moments, many times in a row: the same command goes on to the undisturbed run's tables."""

import fcntl
import hashlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from repro.experiments import scoring
from repro.machine.errors import UserError
from repro.results import tables
from tests.workflow.conftest import ITEMS, TINY_FILES, TRAINED, Tree, environment, small_tree

# With the finished run, which is made once.
pytestmark = pytest.mark.xdist_group("workflow")

TABLES = [f"{name}.parquet" for name in ITEMS] + [f"training/{run}.parquet" for run in TRAINED]

ALONE, GROUP = os.kill, os.killpg  # jobs are orphaned and go on, or get the signal too
KILLS: list[tuple[Callable[[int, int], None], signal.Signals]] = [
    (ALONE, signal.SIGKILL),
    (ALONE, signal.SIGTERM),
    (GROUP, signal.SIGKILL),
    (GROUP, signal.SIGTERM),
    (ALONE, signal.SIGKILL),
    (GROUP, signal.SIGINT),
    (GROUP, signal.SIGKILL),
]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell's background jobs ignore SIGINT and hand that down; what these tests start is to heed it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Attempt:
    """What one Snakemake said about its jobs, in its log."""

    said: str

    @classmethod
    def newest(cls, tree: Tree, before: set[Path]) -> "Attempt":
        """That of the Snakemake whose log was not there `before`; nothing yet where there is none."""
        new = set((tree.folder / ".snakemake" / "log").glob("*.log")) - before
        # The report's second Snakemake, which begins later, has a log of its own.
        return cls(min(new).read_text() if new else "")

    @property
    def begun(self) -> dict[str, str]:
        """Number -> message of each job that was started."""
        return dict(re.findall(r"^Job (\d+): (.+)$", self.said, flags=re.MULTILINE))

    @property
    def finished(self) -> set[str]:
        """Messages of the jobs that Snakemake has recorded as finished."""
        numbers = re.findall(r"^Finished jobid: (\d+) ", self.said, flags=re.MULTILINE)
        return {self.begun[number] for number in numbers if number in self.begun}


def logs(tree: Tree) -> set[Path]:
    return set((tree.folder / ".snakemake" / "log").glob("*.log"))


def killed(
    tree: Tree, log: Path, send: Callable[[int, int], None], signal_: signal.Signals, moment: random.Random
) -> Attempt:
    """Start the workflow and kill it at a random moment, told by its progress and not by a clock."""
    finished, delay = moment.randint(0, 1), moment.uniform(0, 0.5)
    begin, before = time.monotonic(), logs(tree)
    with log.open("w") as file:
        process = subprocess.Popen(
            tree.command(configuration=TINY_FILES),
            cwd=tree.folder,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    started = 0.0  # how long Snakemake took to its first job: the unit of the delay
    while True:
        attempt = Attempt.newest(tree, before)
        now = time.monotonic() - begin
        assert process.poll() is None, log.read_text()
        assert now < 600, log.read_text()
        if attempt.begun and not started:
            started = now
        # The report is last; the run must not end before it is killed.
        last = any(message.startswith("Gathering") for message in attempt.begun.values())
        if last or (attempt.begun and len(attempt.finished) >= finished):
            break
        time.sleep(0.02)
    if not last:
        time.sleep(delay * started)
    send(process.pid, signal_)
    assert process.wait(timeout=600) != 0
    return Attempt.newest(tree, before)


def written(message: str) -> str | None:
    """The table that the job with this message writes, if it writes one."""
    found = re.match(r"(Measuring|Training) ([\w.-]+)", message)
    if found is None:
        return None
    return f"{found[2]}.parquet" if found[1] == "Measuring" else f"training/{found[2]}.parquet"


def content(table: Path) -> str:
    return hashlib.sha256(table.read_bytes() + table.with_suffix(".json").read_bytes()).hexdigest()


def test_the_same_command_goes_on_after_each_of_seven_kills(
    finished: Tree, tmp_path: Path, record_property: Callable[[str, object], None]
):
    tree = small_tree(tmp_path / "tree")
    results = tree.folder / "results" / "tiny"
    moment = random.Random(0)
    done: set[str] = set()
    kept: dict[str, str] = {}
    for number, (send, signal_) in enumerate(KILLS):
        attempt = killed(tree, tmp_path / f"{number}.log", send, signal_, moment)
        assert not done & set(attempt.begun.values()), attempt.said
        done |= attempt.finished
        for name in TABLES:
            # Either the whole table, or one sentence that it is not there.
            try:
                table, _ = tables.read(results / name)
            except UserError:
                assert name not in kept
            else:
                assert len(table) > 0
        kept |= {name: content(results / name) for name in map(written, attempt.finished) if name}
        assert {name: content(results / name) for name in kept} == kept

    before = logs(tree)
    result = tree.snakemake(configuration=TINY_FILES)
    assert result.returncode == 0, result.stdout
    assert not done & set(Attempt.newest(tree, before).begun.values())
    assert {name: content(results / name) for name in kept} == kept
    assert kept
    for name in TABLES:
        (found, where), (expected, there) = (
            tables.read(folder / "results" / "tiny" / name) for folder in (tree.folder, finished.folder)
        )
        found, expected = (table.drop(columns="seconds", errors="ignore") for table in (found, expected))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        assert where.get("weights") == there.get("weights")
        assert ("weights" in where) == name.startswith("training/")
    drawn, expected = (
        {path.name for path in (folder / "paper_figures" / "tiny").glob("[!.]*")}  # a killed write leaves a hidden file
        for folder in (tree.folder, finished.folder)
    )
    assert drawn == expected
    networks = [path.relative_to(tree.folder) for path in (results / "networks").rglob("*.pt")]
    assert len(networks) == 4 * len(TRAINED)
    for path in networks:
        assert (tree.folder / path).read_bytes() == (finished.folder / path).read_bytes()
    for name in scoring.FILES:
        file = f"{name}.csv"
        assert (results / file).read_text() == (finished.folder / "results" / "tiny" / file).read_text()
    assert tree.plan(configuration=TINY_FILES) == {}
    record_property("kills survived", len(KILLS))


def test_a_second_snakemake_refuses_and_names_the_first(finished: Tree, tmp_path: Path):
    tree = finished.copy(tmp_path / "tree")
    tree.edit("repro/results/claims.py")
    lock = tree.folder / "results" / "tiny" / ".workflow.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711")
        file.flush()
        refused = tree.snakemake(configuration=TINY_FILES)
        assert refused.returncode != 0
        assert "Error: results/tiny is being made by process 4711" in refused.stdout
        assert "Traceback" not in refused.stdout
        assert "Deciding the claims" not in refused.stdout
        assert tree.plan(configuration=TINY_FILES)["scorecard"] == 1
