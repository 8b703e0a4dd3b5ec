# Every figure and table of the paper as one graph of files: `snakemake -n` explains the plan, `snakemake fig5` makes
# one item. Jobs call the steps of `python -m repro`, which also run by hand.
import contextlib
import json
import os
import re
import sys
from pathlib import Path

from repro.machine import locks
from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.settings import catalogue
from repro.settings.configuration import validate
from repro.settings.experiment import NetworkSettings
from repro.workflow import (
    captions,
    dependencies,
    expected_time,
    incomplete_report,
    jobs,
    progress,
)

try:
    configuration = validate(config)
    TRAINING_AHEAD = expected_time.describe(configuration)
except UserError as error:
    sys.exit(f"Error: {error}")

# The report's texts read the resolved settings, what each item was measured on, and what is missing from it.
config.update(configuration.resolved())
config["measured"] = {
    name: captions.measured_on(configuration, name) for name in configuration.chosen
}
config["missing"] = json.loads(os.getenv(incomplete_report.MISSING, "{}"))

# Jobs run with the Python that runs Snakemake, also when its environment is not activated.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.getenv("PATH", "")])
)

RESULTS = str(configuration.results_folder)
FIGURES = str(configuration.figures_folder)
# The resolved configuration, which the steps read. What each depends on is in its rule's `params`.
CONFIGURATION = f"{RESULTS}/configuration.json"
# name -> item of the paper, its table's format, its columns
EXPERIMENTS = {name: catalogue.entry(name) for name in configuration.chosen}
# name -> its figure and its table: what asking for it means
ITEMS = {
    name: [
        f"{FIGURES}/{entry.item}.pdf",
        f"{RESULTS}/{name}.{entry.table}",
        f"{RESULTS}/{name}.json",
    ]
    for name, entry in EXPERIMENTS.items()
}
RUNS = configuration.runs
# run -> those that its job trains beside it on a GPU; these -> the run in whose job they are trained
BESIDE = {first: others for first, *others in jobs.trained_together(configuration)}
TRAINED_IN = {other: first for first in BESIDE for other in BESIDE[first]}


rule all:
    default_target: True
    input:
        f"{FIGURES}/index.html",
        f"{FIGURES}/report.html",
        f"{RESULTS}/scorecard.csv",
        list(ITEMS.values()),


rule figures:
    input:
        list(ITEMS.values()),


# Everything that needs no full training.
rule initialisation:
    input:
        [ITEMS[name] for name in ITEMS if not configuration.needs_training(name)],


report: "workflow/report/workflow.rst"


# Two must not work on the same results. Snakemake's own lock stays behind when Snakemake is killed; this one dies with
# it, so that the same command goes on.
alone = contextlib.ExitStack()

if not workflow.output_settings.dryrun:
    progress.attach()


onstart:
    try:
        alone.enter_context(
            locks.alone(Path(RESULTS, ".workflow.lock"), f"{RESULTS} is being made")
        )
        content = json.dumps(configuration.resolved(), indent=2) + "\n"
        write_atomically(Path(CONFIGURATION), content.encode())
    except UserError as error:
        sys.exit(f"Error: {error}")


onerror:
    incomplete_report.leave_out_of_date(
        workflow.scheduler.failed, workflow.persistence
    )
    incomplete_report.make(configuration, workflow.dag, workflow.scheduler.failed)


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/show.smk"
include: "workflow/rules/report.smk"
