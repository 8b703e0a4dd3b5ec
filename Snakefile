# Every figure and table of the paper as one graph of files: `snakemake -n` explains the plan, `snakemake fig5` makes
# one item. Jobs call the steps of `python -m repro`, which also run by hand.
import contextlib
import json
import os
import re
import sys
from pathlib import Path

from repro import dependencies, expected_time, incomplete_report, jobs, locks
from repro.config import experiment_entry, experiment_names, validate
from repro.errors import UserError

try:
    configuration = validate(config)
    TRAINING_AHEAD = expected_time.describe(configuration)
except UserError as error:
    sys.exit(f"Error: {error}")

# The report's texts read the resolved settings, what the images are called, and what is missing from it.
config.update(configuration.model_dump(mode="json"))
config["images"] = configuration.data.name
config["missing"] = json.loads(os.getenv(incomplete_report.MISSING, "{}"))

# Jobs run with the Python that runs Snakemake, also when its environment is not activated.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.getenv("PATH", "")])
)

RESULTS = f"results/{configuration.name}"
FIGURES = f"paper_figures/{configuration.name}"
# name -> item of the paper, what it needs, format of its table
EXPERIMENTS = {name: experiment_entry(name) for name in experiment_names()}
# name -> its figure and its table: what asking for it means
ITEMS = {
    name: [
        f"{FIGURES}/{entry['item']}.pdf",
        f"{RESULTS}/{name}.{entry['table']}",
        f"{RESULTS}/{name}.json",
    ]
    for name, entry in EXPERIMENTS.items()
}
CONDITIONS = [condition.name for condition in configuration.training.conditions]
# condition -> those that its job trains beside it on a GPU; these -> the condition in whose job they are trained
BESIDE = {first: others for first, *others in jobs.trained_together(configuration)}
TRAINED_IN = {other: first for first in BESIDE for other in BESIDE[first]}


rule all:
    default_target: True
    input:
        f"{FIGURES}/report.html",
        f"{RESULTS}/claims.md",
        list(ITEMS.values()),


rule figures:
    input:
        list(ITEMS.values()),


# Everything that needs no full training.
rule initialisation:
    input:
        [ITEMS[name] for name in ITEMS if EXPERIMENTS[name]["needs"] != "training"],


report: "workflow/report/workflow.rst"


# Two must not work on the same results. Snakemake's own lock stays behind when Snakemake is killed; this one dies with
# it, so that the same command goes on.
alone = contextlib.ExitStack()


onstart:
    try:
        alone.enter_context(
            locks.alone(Path(RESULTS, ".workflow.lock"), f"{RESULTS} is being made")
        )
    except UserError as error:
        sys.exit(f"Error: {error}")


onerror:
    incomplete_report.make(configuration, workflow.dag, workflow.scheduler.failed)


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
