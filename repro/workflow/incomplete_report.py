"""The report of a run in which something failed: all that could be made, what is missing, and why.

The Snakefile calls this after failures; jobs are Snakemake's.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from repro.settings.catalogue import entry
from repro.settings.configuration import Configuration

# How the second Snakemake, which makes the report, learns what its text is to say.
MISSING = "REPORT_MISSING"


def make(configuration: Configuration, dag: Any, failed: Collection[Any]) -> None:
    """Say what failed and why; if Snakemake was to make the report, make `report-incomplete.html` beside the figures.

    `dag` is Snakemake's graph of jobs, `failed` those of its jobs that failed; the rest of what it has not finished
    waits for them. Figures of an earlier run that are out of date are left out.
    """
    unfinished = {job.rule.name: job for job in dag.needrun_jobs()}
    if "report" not in unfinished:
        for job in failed:
            print("\n".join(reasons(job, dag.dependencies, failed)), file=sys.stderr)
        return
    figures, results = configuration.figures_folder, configuration.results_folder
    missing = {}
    # A report of no file at all would ask for everything.
    targets = [str(configuration.images_file(configuration.recipe.images))]
    items = {f"show_{name}": (f"{entry(name).item} ({name})", name) for name in configuration.chosen}
    for rule, (item, name) in items.items():
        if rule in unfinished:
            missing[item] = " ".join(reasons(unfinished[rule], dag.dependencies, failed)) or "Not begun."
        else:
            targets.append(f"{figures}/{entry(name).item}.svg")
    if "scorecard" in unfinished:
        missing["scorecard"] = "Claims are decided when every table is there."
    if not failed or not missing:
        return

    settings, log = results / "configuration.json", results / "logs" / "report-incomplete.log"
    report = figures / "report-incomplete.html"
    # With a backslash reStructuredText takes every sign as itself.
    text = {item: re.sub(r"([^\w\s]|_)", r"\\\1", why) for item, why in missing.items()}
    command = [sys.executable, "-m", "snakemake", *targets, "--configfile", str(settings), "--report", str(report)]
    with log.open("w") as file:
        made = subprocess.run(
            [*command, "--nolock"],
            env=os.environ | {MISSING: json.dumps(text)},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    for item, why in missing.items():
        print(f"Missing: {item}. {why}", file=sys.stderr)
    outcome = f"What could be made: {report}" if made.returncode == 0 else f"No report could be made; see {log}"
    print(outcome, file=sys.stderr)


def leave_out_of_date(failed: Collection[Any], persistence: Any) -> None:
    """What failed jobs leave of an earlier run stays, and is not taken for up to date.

    Snakemake puts back what a job was to update as a new file, and records the job as if it had made it. `persistence`
    is Snakemake's record.
    """
    for job in failed:
        persistence.cleanup(job)
        for file in map(str, job.output):
            if os.path.exists(file):
                os.utime(file, (1, 1))  # older than anything; 0 would count as no time


def reasons(job: Any, dependencies: Mapping[Any, Collection[Any]], failed: Collection[Any]) -> list[str]:
    """For each failed job that `job` waits for, or is, what it said: one sentence and where its log is."""
    waiting, seen, found = [job], {job}, []
    while waiting:
        one = waiting.pop()
        if one in failed:
            log = Path(str(one.log[0]))
            found.append(f"{log.stem} failed: {sentence(log)} (Log: {log})")
        new = [other for other in dependencies[one] if other not in seen]
        seen.update(new)
        waiting += new
    return sorted(found)


def sentence(log: Path) -> str:
    """What a failed step said last: its `Error:` line, or the last line of a traceback or of what there is."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").replace("\0", "").split("\n")
    except OSError:
        lines = []
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    if errors:
        return errors[-1]
    said = [line for line in lines if line.strip()]
    if any(line.startswith("Traceback ") for line in said):
        return said[-1]
    return "It ended without an error message, as when it is killed." + (f" It last said: {said[-1]}" if said else "")
