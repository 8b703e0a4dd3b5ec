"""A training run as the workflow sees it: one condition, all its seeds, one table of histories."""

import ast
import contextlib
import hashlib
import inspect
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pandas as pd
import torch

from repro import datasets, devices, jobs, locks, networks, probes, tables
from repro.config import Condition, Configuration
from repro.datasets import ImageData
from repro.training import batches, descent, moments, network_run
from repro.training.network_run import Interrupted, NetworkRun
from repro.training.results import HISTORY_COLUMNS, MOMENT_COLUMNS

RESUME_EXIT_CODE = 75  # sysexits' EX_TEMPFAIL: try again, nothing is wrong


def train(configuration: Configuration, name: str, beside: Sequence[str] = (), wait: bool = False) -> Path:
    """Train condition `name` with every seed, or go on where an interrupted run stopped; returns the table's path.

    The table has one row per seed and epoch (`HISTORY_COLUMNS`); beside it, `<name>-moments` has the moments by depth
    (`MOMENT_COLUMNS`). The conditions `beside` are trained too, on a GPU side by side with this one; when their turn
    comes their tables are all that is left to do.

    Raises `UserError` for an unknown condition or too few images, or, unless told to `wait` for its end, while another
    process trains one of the conditions; exits with code 75, checkpoint written, when asked to stop by SIGTERM or
    SIGINT.
    """
    known = {condition.name: condition for condition in configuration.training.conditions}
    settings, *_ = [jobs.for_condition(configuration, each) for each in (name, *beside)]  # refuses unknown ones
    device = devices.prepare(configuration.device, configuration.training.precision)
    devices.keep_memory()
    data = datasets.load(configuration.data)
    folder = tables.results_folder(configuration)
    fingerprint = {"device": devices.describe(device), "torch": str(torch.__version__)}
    images = data.to(device)

    def network(condition: Condition, seed: int) -> NetworkRun:
        path = checkpoint_path(configuration, condition, data, seed)
        return NetworkRun(configuration, condition, seed, images, device, path, fingerprint)

    seeds = range(configuration.training.seeds)
    at_once = 1 if device.type == "cpu" else configuration.training.networks_at_once or len(seeds)
    with contextlib.ExitStack() as held:
        # In one order, so that no two processes wait for each other.
        for each in sorted({name, *beside}):
            lock = folder / "checkpoints" / f"{each}.lock"
            held.enter_context(locks.alone(lock, f"{each} is being trained", wait))
        stop = held.enter_context(_stop_requests())  # only now: a request ends the waiting as it ends anything
        runs = [network(known[name], seed) for seed in seeds]
        others = [network(known[each], seed) for each in beside for seed in seeds]
        try:
            network_run.train(runs + others, stop, at_once)
        except Interrupted:
            print(f"{name} stopped after a checkpoint; the same command resumes it.", file=sys.stderr)
            sys.exit(RESUME_EXIT_CODE)
    histories, moments_by_depth, weights = [], [], {}
    for run in runs:
        weights[f"seed {run.seed}"] = run.weights_digest()
        run_settings = {
            "condition": name,
            "normalisation": run.condition.normalisation,
            "initial_learning_rate": run.condition.learning_rate,
            "epochs": run.condition.epochs,
            "seed": run.seed,
            "status": run.position.status,
        }
        histories.append(pd.DataFrame(run.position.history).assign(**run_settings))
        rows = pd.DataFrame(run.position.moments, columns=["epoch", *list(MOMENT_COLUMNS)[-3:]])
        moments_by_depth.append(rows.assign(**run_settings))
    source = {"name": data.name, "checksum": data.checksum}
    seconds = sum(history["seconds"].sum() for history in histories)
    provenance = tables.provenance(settings, source, fingerprint["device"], seconds)
    path = folder / "training" / f"{name}.parquet"
    for where, parts, columns in (
        (path.with_stem(f"{name}-moments"), moments_by_depth, MOMENT_COLUMNS),
        (path, histories, HISTORY_COLUMNS),
    ):
        table = pd.concat(parts, ignore_index=True)[list(columns)]
        tables.write(where, table, columns, provenance | {"weights": weights})
    return path


def checkpoint_path(configuration: Configuration, condition: Condition, data: ImageData, seed: int) -> Path:
    """Where one network's checkpoint is kept.

    The name holds a digest of all that decides the network's weights - settings, images and training code - so a
    checkpoint is never continued under another recipe, and changing the recipe back finds the old one again.
    """
    settings = jobs.for_condition(configuration, condition.name)
    for irrelevant in ("name", "device", "data"):
        del settings[irrelevant]
    for irrelevant in ("seeds", "checkpoint_minutes", "networks_at_once"):
        del settings["training"][irrelevant]
    recipe = json.dumps([settings, data.checksum, _code_digest()], sort_keys=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = tables.results_folder(configuration) / "checkpoints"
    return folder / f"{condition.name}-seed{seed}-{digest}.pt"


# The code that decides a network's weights and what is recorded of it, apart from its settings and images.
DECIDING = (
    batches,
    descent,
    moments,
    network_run,
    networks,
    probes,
    datasets.ImageData,
    datasets.mini_batch,
    datasets.normalise,
)


def _code_digest() -> str:
    """Digest of `DECIDING`; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for part in DECIDING:
        tree = ast.parse(inspect.getsource(part))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # a docstring
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM and SIGINT do not kill but make the yielded function return True."""
    requested = threading.Event()

    def request(_signal: int, _frame: FrameType | None) -> None:
        requested.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield requested.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
