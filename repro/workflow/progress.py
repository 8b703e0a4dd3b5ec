"""Snakemake's progress on the terminal: one line per job, how many are done, and about how long the rest takes.

The whole of what Snakemake says is in its log, in `.snakemake/log/`.
"""

import logging
import time
from collections import Counter, defaultdict
from typing import Any

from repro.machine.progress import duration

QUIET = {"job_finished", "progress", "resources_info"}  # events that say nothing more


class OneLinePerJob(logging.Filter):
    """Of a run of Snakemake, lets pass what a person wants to see, and shortens it.

    A filter of the handler that writes to the terminal; `Shortened` is its formatter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[int, tuple[str, float]] = {}  # job -> its kind, and when it started
        self.took: defaultdict[str, list[float]] = defaultdict(list)  # seconds of finished jobs, by kind
        self.waiting: Counter[str] = Counter()  # jobs not yet finished, by kind
        self.total = 0
        self.failed = False
        self.begun = time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep count; False for what is not to be shown."""
        event = _event(record)
        if event == "run_info":
            stats = {rule: count for rule, count in getattr(record, "stats", {}).items() if rule != "total"}
            self.waiting = Counter({kind: 0 for kind in map(_kind, stats)})
            for rule, count in stats.items():
                self.waiting[_kind(rule)] += count
            self.total = sum(self.waiting.values())
            self.begun = time.monotonic()
        elif event == "job_info":
            self.started[record.__dict__["jobid"]] = _kind(record.__dict__["rule_name"]), time.monotonic()
        elif event == "job_finished":
            kind, start = self.started.pop(record.__dict__["job_id"], ("", 0.0))
            if kind:
                self.took[kind].append(time.monotonic() - start)
                self.waiting[kind] -= 1
        elif event == "job_error":
            self.failed = True
        said = str(record.msg or "")
        return event not in QUIET and not said.startswith(NOISE) and not (self.failed and said.startswith(LAST))

    def state(self) -> str:
        """Like `12 of 39 done, about 2 min left`."""
        left = sum(self.waiting.values())
        done = self.total - left
        text = f"{done} of {self.total} done"
        took = [seconds for kind in self.took.values() for seconds in kind]
        if len(took) >= 3:
            mean = sum(took) / len(took)
            work = sum(
                count * (sum(self.took[kind]) / len(self.took[kind]) if self.took[kind] else mean)
                for kind, count in self.waiting.items()
            )
            side_by_side = max(1.0, sum(took) / (time.monotonic() - self.begun))
            text += f", about {duration(work / side_by_side)} left"
        return text


# What Snakemake says of itself that a reader of this package has no use for; its log has it.
NOISE = (
    "Using workflow specific profile",
    "Assuming unrestricted shared",
    "Building DAG",
    "Using shell",
    "Provided ",
    "Rules claiming",
    "Conda environments",
    "Select jobs",
    "Execute ",
    "Complete log",
    "RuleException",
    "Exiting because a job execution failed",
    "Restored previous version",
    "Cannot restore",
)
# After a failure, what the failed step itself said is to be last.
LAST = ("Elapsed time", "WorkflowError:\nAt least one job did not complete")
# Lines about a failed job that say less than its log.
ABOUT_JOB = ("message:", "jobid:", "input:", "output:", "shell:", "python -m repro", "snakemake ", "(command exited")


class Shortened(logging.Formatter):
    """A line for each job, a line for the plan; everything else, errors above all, as Snakemake formats it."""

    def __init__(self, counts: OneLinePerJob, whole: logging.Formatter) -> None:
        super().__init__()
        self.counts = counts
        self.whole = whole

    def format(self, record: logging.LogRecord) -> str:
        """The text of one event."""
        event = _event(record)
        if event == "run_info":
            return f"{self.counts.total} steps to do. Everything that is said: .snakemake/log/"
        if event == "workflow_started":
            return f"Snakemake {record.__dict__['snakemake_version']} in {record.__dict__['basedir']}"
        if event == "job_info":
            message = (record.__dict__["rule_msg"] or record.__dict__["rule_name"]).splitlines()[0]
            return f"[{self.counts.state()}] {message}"
        if event == "job_error":
            lines = self.whole.format(record).splitlines()
            return "\n".join(line for line in lines if not line.strip().startswith(ABOUT_JOB))
        return self.whole.format(record)


def attach() -> None:
    """Have Snakemake's own handler for the terminal, where there is one, write a line per job."""
    for handler in logging.getLogger("snakemake.logging").handlers:
        if handler.name == "DefaultStreamHandler" and handler.formatter is not None:
            counts = OneLinePerJob()
            handler.addFilter(counts)
            handler.setFormatter(Shortened(counts, handler.formatter))


def _event(record: logging.LogRecord) -> str:
    event: Any = getattr(record, "event", None)
    return str(event.name).lower() if event is not None else ""


def _kind(rule: str) -> str:
    """Rules of one kind take about as long: `measure` of `measure_activation_growth`."""
    return rule.partition("_")[0]
