"""Training a run of the configuration: one recipe, all its seeds, one table of histories and the networks it keeps."""

import contextlib
import hashlib
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pandas as pd
import torch

from repro.images import loading
from repro.images.data import ImageData
from repro.machine import code, devices, locks
from repro.machine.errors import UserError
from repro.machine.files import write_atomically
from repro.results import tables
from repro.settings.configuration import MOST_AT_ONCE, Configuration, Run
from repro.settings.experiment import HISTORY_COLUMNS
from repro.settings.recipe import Recipe
from repro.training import checkpoints, network_run
from repro.training.network_run import Interrupted, NetworkRun

RESUME_EXIT_CODE = 75  # sysexits' EX_TEMPFAIL: try again, nothing is wrong

# What the code of a network's training imports but cannot change its weights; the images' checksum tells those.
DECIDES_NOTHING = ("repro.settings", "repro.machine", "repro.results", "repro.images.loading")


def train_all(
    configuration: Configuration, groups: Iterable[Sequence[str]], wait: bool = False, deadline: float = math.inf
) -> Iterator[Path]:
    """Train groups of runs, one group after the other and those of a group side by side; yields their histories' paths.

    Otherwise like `train`.
    """
    for first, *others in groups:
        yield train(configuration, first, others, wait, deadline)
        for other in others:
            yield train(configuration, other, (), wait, deadline)


def train(
    configuration: Configuration,
    name: str,
    beside: Sequence[str] = (),
    wait: bool = False,
    deadline: float = math.inf,
) -> Path:
    """Train run `name` with every seed, or go on where it was interrupted; returns the path of its history.

    The history has one row per seed and epoch (`HISTORY_COLUMNS`); beside it are the networks after each share in
    `training.keep` (`Configuration.networks_file`). The runs `beside` are trained too, on a GPU side by side with this
    one; when their turn comes their files are all that is left to write.

    Raises `UserError` for an unknown run or too few images, or, unless told to `wait` for its end, while another
    process trains one of the runs; exits with code 75, checkpoint written, when asked to stop by SIGTERM or SIGINT, or
    when something is left to train at `deadline`, a time of `time.monotonic`.
    """
    chosen = [configuration.run(each) for each in dict.fromkeys((name, *beside))]
    precisions = {run.recipe.precision for run in chosen}
    if len(precisions) > 1:
        raise UserError(f"{', '.join(run.name for run in chosen)} are of different precision; train each by itself.")
    device = devices.prepare(configuration.device, *precisions)
    fastest = devices.fastest_precision(device)
    if "fastest" in precisions:
        print(f"The fastest precision here is {fastest}.", file=sys.stderr)
    devices.keep_memory()
    fingerprint = {"device": devices.describe(device), "torch": str(torch.__version__)}
    datasets: dict[str, tuple[ImageData, ImageData]] = {}  # on the CPU and on the device
    networks: list[NetworkRun] = []
    folder = configuration.results_folder
    with contextlib.ExitStack() as held:
        # In one order, so that no two processes wait for each other.
        for each in sorted({name, *beside}):
            lock = folder / "checkpoints" / f"{each}.lock"
            held.enter_context(locks.alone(lock, f"{each} is being trained", wait))
        for run in chosen:
            key = run.recipe.images.digest
            if key not in datasets:
                data = loading.load(run.recipe.images)
                datasets[key] = data, data.to(device)
            data, there = datasets[key]
            recipe = run.recipe.resolved(fastest)
            networks += [
                NetworkRun(
                    recipe,
                    run.name,
                    seed,
                    there,
                    device,
                    checkpoint_path(folder, recipe, data, seed),
                    configuration.training.keep,
                    configuration.training.checkpoint_minutes,
                    fingerprint,
                )
                for seed in range(run.seeds)
            ]
        at_once = 1 if device.type == "cpu" else _at_once(configuration, chosen[0])
        # Only now: until there is something to save, a request ends this process as it ends any.
        stop = held.enter_context(_stop_requests())
        try:
            network_run.train(networks, lambda: stop() or time.monotonic() >= deadline, at_once)
        except Interrupted:
            print(f"{name} stopped after a checkpoint; the same command resumes it.", file=sys.stderr)
            sys.exit(RESUME_EXIT_CODE)
        return _write(configuration, chosen[0], networks[: chosen[0].seeds], fingerprint)


def checkpoint_path(folder: Path, recipe: Recipe, data: ImageData, seed: int) -> Path:
    """Where one network's checkpoint is kept.

    The name is a digest of all that decides the network's weights - recipe, images and code - so a checkpoint is never
    continued under another recipe, and changing the recipe back, or calling it otherwise, finds the old one again.
    """
    decides = json.dumps([recipe.digest, data.checksum, code.digest(deciding_modules(recipe))])
    digest = hashlib.sha256(decides.encode()).hexdigest()[:12]
    return folder / "checkpoints" / f"{digest}-seed{seed}.pt"


def deciding_modules(recipe: Recipe) -> set[str]:
    """The modules that decide the weights of a recipe's networks: those of its kinds, and what training imports."""
    return code.modules(["repro.training.network_run", *recipe.kinds], DECIDES_NOTHING)


def _at_once(configuration: Configuration, run: Run) -> int:
    """Networks that a GPU trains side by side; says where that is fewer than were asked for."""
    asked = configuration.training.networks_at_once or run.seeds
    if asked > MOST_AT_ONCE:
        print(
            f"{asked} networks were to train side by side (training.networks_at_once, or the seeds of {run.name}); "
            f"{MOST_AT_ONCE} do, one for each CUDA stream that PyTorch has, and the others follow.",
            file=sys.stderr,
        )
    return min(asked, MOST_AT_ONCE)


def _write(configuration: Configuration, run: Run, networks: Sequence[NetworkRun], fingerprint: dict[str, str]) -> Path:
    """The run's history, and its kept networks where experiments look for them."""
    for share in configuration.training.keep:
        kept = {str(network.seed): checkpoints.read(network.kept(share)) for network in networks}
        write_atomically(configuration.networks_file(run.name, share), checkpoints.pack(kept))
    tables_of_networks, weights = [], {}
    for network in networks:
        weights[f"seed {network.seed}"] = network.weights_digest()
        tables_of_networks.append(
            pd.DataFrame(network.position.history).assign(
                recipe=run.name,
                normalisation=run.recipe.normalisation_label,
                initial_learning_rate=run.recipe.learning_rate,
                epochs=run.recipe.epochs,
                seed=network.seed,
                status=network.position.status,
            )
        )
    data = networks[0].descent.data
    source = {"name": data.name, "checksum": data.checksum}
    seconds = sum(network.position.busy for network in networks)
    provenance = tables.provenance(configuration.part_of_run(run), source, fingerprint["device"], seconds)
    path = configuration.history_file(run.name)
    table = pd.concat(tables_of_networks, ignore_index=True)[list(HISTORY_COLUMNS)]
    provenance |= {"precision": networks[0].recipe.precision, "weights": weights}
    tables.write(path, table, HISTORY_COLUMNS, provenance)
    return path


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
