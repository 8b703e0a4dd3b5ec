"""How long training will take, from what `python -m repro benchmark` measured on this machine."""

import contextlib
import json
from pathlib import Path

from repro.machine.errors import UserError
from repro.settings.configuration import Configuration
from repro.settings.recipe import Recipe

CIFAR10_IMAGES = 50_000  # the benchmark's epochs refer to these


def describe(configuration: Configuration, folder: Path = Path("results/benchmark")) -> str:
    """The training ahead in words, with hours where the benchmark has measured the networks' depths in `folder`."""
    runs = list(configuration.runs.values())
    if not runs:
        return "nothing"
    epochs = sum(run.recipe.epochs * run.seeds for run in runs)
    networks = sum(run.seeds for run in runs)
    text = f"{len(runs)} recipes, {networks} networks, {epochs:,} network-epochs if none diverges; "
    hours, missing, devices = 0.0, set(), set()
    for depth, precision in sorted({(run.recipe.depth, run.recipe.precision) for run in runs}):
        found = _rate(configuration, depth, precision, folder)
        if isinstance(found, str):
            missing.add(found)
            continue
        rate, device = found
        devices.add(device)
        for run in runs:
            if (run.recipe.depth, run.recipe.precision) == (depth, precision):
                images = _images(configuration, run.recipe)
                hours += run.recipe.epochs * run.seeds * images / CIFAR10_IMAGES / rate / 3600
    if missing:
        return text + "; ".join(sorted(missing))
    return text + f"about {hours:,.1f} hours on {', '.join(sorted(devices))} ({folder})."


def _images(configuration: Configuration, recipe: Recipe) -> int:
    """Training images of a recipe: as they were counted when they were prepared, else as its settings say."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads(configuration.images_file(recipe.images).read_text(encoding="utf-8"))["train_images"])
    return recipe.images.train_images or CIFAR10_IMAGES


def _rate(configuration: Configuration, depth: int, precision: str, folder: Path) -> tuple[float, str] | str:
    """Network-epochs of 50,000 images per second, and where they were measured; or what is lacking, in words."""
    kinds = {"cpu": ["cpu"], "cuda": ["cuda"], "auto": ["cuda", "cpu"]}[configuration.device]
    path = next((path for kind in kinds if (path := folder / f"training-{kind}-{depth}.csv").exists()), None)
    if path is None:
        return f"`python -m repro benchmark --depth {depth}` measures how long one takes on this machine."
    from repro.results import tables  # pandas takes long to import, and most plans need no such table

    try:
        table, provenance = tables.read(path)
    except UserError as error:  # an estimate less is no reason not to train
        return f"no estimate of the hours: {error}"
    if precision == "fastest":
        precision = provenance.get("fastest", precision)
    at_once = configuration.training.networks_at_once or max(run.seeds for run in configuration.runs.values())
    # What the workflow does: one job for each core of a CPU, a run's seeds side by side on a GPU.
    ours = (table["rung"] == "engine, a process per core") | (
        (table["rung"] == "engine, graph") & (table["networks"] <= at_once)
    )
    usable = table[ours & (table["precision"] == precision)]
    if usable.empty:
        return f"{path} has no rate for precision {precision}; run the benchmark again."
    return float(usable["network_epochs_per_second"].max()), provenance["device"]
