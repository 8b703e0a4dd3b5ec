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

from repro.config import Configuration, experiment_entry, experiment_names

# How the second Snakemake, which makes the report, learns what its text is to say.
MISSING = "REPORT_MISSING"


def make(configuration: Configuration, dag: Any, failed: Collection[Any]) -> None:
    """Make `report-incomplete.html` beside the figures, if Snakemake was to make the report, and print what is missing.

    `dag` is Snakemake's graph of jobs, `failed` those of its jobs that failed; the rest of what it has not finished
    waits for them. Figures of an earlier run that are out of date are left out.
    """
    from repro import tables  # pandas takes long to import, and most runs need no such report

    unfinished = {job.rule.name: job for job in dag.needrun_jobs()}
    if "report" not in unfinished:
        return
    figures = Path("paper_figures") / configuration.name
    results = tables.results_folder(configuration)
    missing = {}
    targets = [f"{results}/data.json"]  # a report of no file at all would ask for everything
    items = {f"draw_{name}": (f"{experiment_entry(name)['item']} ({name})", name) for name in experiment_names()}
    for rule, (item, name) in items.items():
        if rule in unfinished:
            missing[item] = " ".join(reasons(unfinished[rule], dag.dependencies, failed)) or "Not begun."
        else:
            targets.append(f"{figures}/{experiment_entry(name)['item']}.svg")
    if "claims" in unfinished:
        missing["claims"] = "They are decided when every table is there."
    else:
        targets.append(f"{results}/claims.html")
    if not failed or not missing:
        return

    settings, log = results / "configuration.json", results / "logs" / "report-incomplete.log"
    tables.write_atomically(settings, (configuration.model_dump_json(indent=2) + "\n").encode())
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
