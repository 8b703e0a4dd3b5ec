"""How long training will take, from what `python -m repro benchmark` measured on this machine."""

from pathlib import Path

from repro import tables
from repro.config import Configuration
from repro.errors import UserError

CIFAR10_IMAGES = 50_000  # the benchmark's epochs refer to these


def network_epochs(configuration: Configuration) -> int:
    """Passes over the training images of all networks together, if none diverges: the sum of epochs times seeds."""
    training = configuration.training
    return training.seeds * sum(condition.epochs for condition in training.conditions)


def describe(configuration: Configuration, folder: Path = Path("results/benchmark")) -> str:
    """The training ahead in words, with hours where the benchmark has measured this network's depth in `folder`."""
    training = configuration.training
    depth = training.depth or configuration.network.depth
    epochs = network_epochs(configuration)
    text = (
        f"{len(training.conditions)} conditions x {training.seeds} seeds of ResNet-{depth}, "
        f"{epochs:,} network-epochs if none diverges; "
    )
    kinds = {"cpu": ["cpu"], "cuda": ["cuda"], "auto": ["cuda", "cpu"]}[configuration.device]
    paths = [folder / f"training-{kind}-{depth}.csv" for kind in kinds]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return text + f"`python -m repro benchmark --depth {depth}` measures how long one takes on this machine."
    try:
        table, provenance = tables.read(path)
    except UserError as error:  # an estimate less is no reason not to train
        return text + f"no estimate of the hours: {error}"
    at_once = training.networks_at_once or training.seeds
    # What the workflow does: one job for each core of a CPU, a condition's seeds side by side on a GPU.
    ours = (table["rung"] == "engine, a process per core") | (
        (table["rung"] == "engine, graph") & (table["networks"] <= at_once)
    )
    usable = table[ours & (table["precision"] == training.precision)]
    if usable.empty:
        return text + f"{path} has no rate for precision {training.precision}; run the benchmark again."
    rate = usable["network_epochs_per_second"].max()
    images = configuration.data.train_images or CIFAR10_IMAGES
    hours = epochs * images / CIFAR10_IMAGES / rate / 3600
    kind = "GPU" if "cuda" in path.stem else "CPU"
    return text + (
        f"about {hours:,.1f} {kind} hours at {rate:.3g} network-epochs of 50,000 images per second "
        f"({path}, {provenance['device']})."
    )
