"""How fast training is on this machine: a ladder from the plain loop to the engine, beside the hardware's floors.

Every rung makes the same ordinary steps of the paper's recipe: one mini-batch, one SGD update of each network. The
measure is network-epochs per second, for CIFAR-10's 390 steps and 10,000 test images; beside it stands the memory that
a network takes.
"""

import concurrent.futures
import contextlib
import gc
import math
import multiprocessing
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from repro.images.data import ImageData
from repro.machine import devices
from repro.machine.errors import UserError
from repro.networks.normalisation.batch import BatchNormalisation
from repro.networks.residual import ResidualNetwork
from repro.results import tables
from repro.settings.experiment import number, text, whole
from repro.settings.recipe import Precision, Recipe
from repro.training.descent import EVALUATION_BATCH, Descent
from repro.training.side_by_side import capture, in_turn

BATCH_SIZE = 128
TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000  # of CIFAR-10, to which an epoch refers
SIDE_BY_SIDE = (1, 2, 4, 8, 16)
FEW_SIDE_BY_SIDE = (1, 4, 8)
ROUNDS = 3  # every rung is measured so often, the rungs in turn; medians count
WARM_UPS = 2
# Read when CUDA or cuBLAS starts, so each is measured in a process of its own. The first of both is the default.
CONNECTIONS = [{"CUDA_DEVICE_MAX_CONNECTIONS": count} for count in ("8", "32")]
WORKSPACES = [{"CUBLAS_WORKSPACE_CONFIG": size} for size in (":4096:8", ":16:8")]

COLUMNS = {
    "rung": text("`eager`: the usual loop; `engine`: this package's; `floor`: what the hardware would need"),
    "networks": whole("networks trained at the same time"),
    "threads": whole("CPU threads of each process"),
    "precision": text("arithmetic of training"),
    "step_seconds": number("time for one update of every network, seconds"),
    "evaluation_seconds": number("time for 500 test images of every network, seconds; missing for the floors"),
    "memory_per_network": number(
        "most memory taken / networks, MiB: on CUDA what PyTorch reserves, on a CPU that of the process; missing for "
        "the floors"
    ),
    "network_epochs_per_second": number("networks / time for 390 updates and the test images"),
    "ratio": number("network_epochs_per_second divided by that of the eager loop"),
}


@dataclass
class Rung:
    """One way of training: a step of all its networks, and one evaluation batch of all."""

    name: str
    networks: int
    threads: int
    precision: Precision
    step: Callable[[], None]
    evaluate: Callable[[], None]


Row = dict[str, object]


@dataclass
class Planned:
    """Rungs that are still to be measured, all at once by `measure`."""

    name: str
    networks: int
    precision: str
    measure: Callable[[], Iterable[Row]]
    seconds: float = 20.0  # that it takes, as far as is known beforehand
    compiles: bool = False  # so whatever the compiler meets costs no more than this rung

    @property
    def label(self) -> str:
        """What the rung is called where it is not measured."""
        return f"{self.name}, {self.networks} network(s), {self.precision}"


@dataclass
class Ladder:
    """What was measured so far, and by label why something was not."""

    rows: list[Row] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


def run(depth: int, device_setting: str, seconds: float, budget: float = math.inf) -> Path:
    """Measure the ladder with ResNet-`depth`, at least `seconds` for each rung and round; returns the table's path.

    Rungs that would not end within `budget` seconds are left out; they, and those that cannot be measured here, are
    listed on stderr and as `not_run` in the table's provenance. The table is written again after each rung, so that
    whatever stops the ladder leaves what was measured.
    """
    start = time.monotonic()
    device = devices.prepare(device_setting)
    planned = cuda_ladder(depth, device, seconds) if device.type == "cuda" else cpu_ladder(depth, seconds)
    path = Path("results/benchmark") / f"training-{device.type}-{depth}.csv"
    for ladder in climb(planned, budget, lambda: time.monotonic() - start):
        provenance = tables.provenance(
            {"depth": depth, "batch_size": BATCH_SIZE}, None, devices.describe(device), time.monotonic() - start
        )
        provenance |= {"fastest": devices.fastest_precision(device), "not_run": ladder.not_run}
        tables.write(path, _with_rates(ladder.rows), COLUMNS, provenance)
    return path


def climb(planned: Iterable[Planned], budget: float, elapsed: Callable[[], float]) -> Iterator[Ladder]:
    """Measure rung by rung while they end within `budget` of the `elapsed` seconds; yields what there is after each.

    The first rung, to which the others are compared, is measured in any case. How long one takes is known from those
    of its name before it, or else from its plan; of compiled ones only the first takes the time to compile.
    """
    ladder = Ladder()
    took: dict[str, float] = {}
    for rung in planned:
        begun = elapsed()
        expected = rung.seconds if rung.compiles else took.get(rung.name, rung.seconds)
        if ladder.rows and begun + expected > budget:
            ladder.not_run[rung.label] = f"it would not have ended within {budget:g} seconds"
        else:
            try:
                ladder.rows += rung.measure()
            except UserError as error:
                ladder.not_run[rung.label] = str(error)
            except Exception as error:
                if not rung.compiles:
                    raise
                traceback.print_exc()
                ladder.not_run[rung.label] = f"it could not be compiled here ({type(error).__name__})"
            took[rung.name] = max(took.get(rung.name, 0), elapsed() - begun)
        if rung.label in ladder.not_run:
            print(f"Not run: {rung.label}: {ladder.not_run[rung.label]}", file=sys.stderr)
        yield ladder


def _with_rates(rows: list[Row]) -> pd.DataFrame:
    """The rows with `network_epochs_per_second` and its `ratio` to the first, the plain loop's."""
    table = pd.DataFrame(rows)
    updates, evaluations = TRAIN_IMAGES // BATCH_SIZE, TEST_IMAGES / EVALUATION_BATCH
    epoch = updates * table["step_seconds"] + evaluations * table["evaluation_seconds"].fillna(0)
    table["network_epochs_per_second"] = table["networks"] / epoch
    table["ratio"] = table["network_epochs_per_second"] / table["network_epochs_per_second"].iloc[0]
    return table[list(COLUMNS)]


def cpu_ladder(depth: int, seconds: float) -> Iterator[Planned]:
    """The rungs on a CPU, the plain loop on all cores first."""
    cores = torch.get_num_threads()
    cpu = torch.device("cpu")

    def in_one_process() -> list[Row]:
        return measure([eager(depth, cpu), engine(depth, cpu, 1, "float32", threads=cores)], seconds)

    yield Planned("eager and engine", 1, "float32", in_one_process)
    precisions: list[Precision] = ["float32"]
    if devices.fastest_precision(cpu) == "bfloat16":
        precisions.append("bfloat16")
    for precision in precisions:
        each = partial(process_per_core, depth, cores, precision, seconds)
        yield Planned("engine, a process per core", cores, precision, each, 60)
    yield Planned("floors", 1, "float32", partial(floors, depth, cpu))


def cuda_ladder(depth: int, device: torch.device, seconds: float) -> Iterator[Planned]:
    """The rungs on a GPU: the plain loop, one network, captured ones side by side in several ways, compiled ones."""

    def planned(name: str, networks: int, precision: Precision, **options: Any) -> Planned:
        def measured() -> list[Row]:
            devices.prepare("cuda", precision)
            return measure([engine(depth, device, networks, precision, name=name, **options)], seconds)

        return Planned(name, networks, precision, measured)

    yield Planned("eager", 1, "float32", lambda: measure([eager(depth, device)], seconds), 30)
    yield planned("engine", 1, "float32")
    precisions: tuple[Precision, ...] = ("float32", "bfloat16", "tf32")
    for precision in precisions:
        for networks in SIDE_BY_SIDE:
            yield planned("engine, graph", networks, precision, captured=True)
    # In strict float32, where cuDNN has other kernels for each layout; the rungs above are channels_last and native.
    for layout, cudnn in (
        (torch.contiguous_format, False),
        (torch.channels_last, True),
        (torch.contiguous_format, True),
    ):
        name = "engine, graph" + ", NCHW" * (layout == torch.contiguous_format) + ", cuDNN's normalisation" * cudnn
        for networks in (1, 8):
            yield planned(name, networks, "float32", captured=True, layout=layout, cudnn=cudnn)
    yield Planned("floors", 1, "float32", lambda: floors(depth, device))
    for environment in (*CONNECTIONS, *WORKSPACES):
        in_process = partial(process_with, environment, depth, 8, "bfloat16", seconds)
        yield Planned(_named(environment), 8, "bfloat16", in_process, 45)
    # Compiling takes a minute or two, so only in the precision that leaves most to gain; and it is the one step that
    # needs a compiler on this machine, so last. The first one compiles for all.
    for networks in FEW_SIDE_BY_SIDE:
        rung = planned("engine, graph, compiled", networks, "bfloat16", captured=True, compiled=True)
        rung.compiles, rung.seconds = True, 150 if networks == FEW_SIDE_BY_SIDE[0] else 30
        yield rung


def measure(rungs: list[Rung], seconds: float) -> list[Row]:
    """Times of the rungs, measured in turn; the median round of each. Memory is that of the warm-up."""
    times: dict[str, list[tuple[float, float]]] = {rung.name: [] for rung in rungs}
    memory = {}
    for rung in rungs:
        torch.set_num_threads(rung.threads)
        forget_peak()
        for _ in range(WARM_UPS):
            rung.step()
        rung.evaluate()
        memory[rung.name] = peak_memory()
    for _ in range(ROUNDS):
        for rung in rungs:
            torch.set_num_threads(rung.threads)
            times[rung.name].append((seconds_per_call(rung.step, seconds), seconds_per_call(rung.evaluate, 0.2)))
    rows = []
    for rung in rungs:
        step, evaluation = (statistics.median(column) for column in zip(*times[rung.name], strict=True))
        row = row_of(rung.name, rung.networks, rung.threads, rung.precision, step, evaluation, memory[rung.name])
        rows.append(row)
    return rows


def row_of(
    rung: str,
    networks: int,
    threads: int,
    precision: str,
    step: float,
    evaluation: float = math.nan,
    memory: float = math.nan,
) -> Row:
    """A row of the table, also said on stderr as it is known; `memory` in MiB, of all networks."""
    each = "" if math.isnan(memory) else f", {memory / networks:.0f} MiB a network"
    what = f"{rung}, {networks} network(s), {threads} thread(s), {precision}"
    print(f"{what}: {step:.4g} s a step{each}", file=sys.stderr, flush=True)
    return {
        "rung": rung,
        "networks": networks,
        "threads": threads,
        "precision": precision,
        "step_seconds": step,
        "evaluation_seconds": evaluation,
        "memory_per_network": memory / networks,
    }


def forget_peak() -> None:
    """Give back what nothing uses any more, and forget how much memory was taken before."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        with contextlib.suppress(OSError):  # not Linux
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> float:
    """The most memory taken since `forget_peak`, MiB: reserved on the GPU if one computes, else of this process.

    Not a number where the system does not say it.
    """
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved() / 2**20
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    return math.nan


def seconds_per_call(function: Callable[[], object], seconds: float) -> float:
    """Mean time of a call over at least `seconds` and two calls, after a first, to the end of what it started."""
    function()
    synchronise()
    start = time.perf_counter()
    calls = 0
    while calls < 2 or time.perf_counter() - start < seconds:
        function()
        calls += 1
        if calls % 10 == 0:
            synchronise()  # or a queue of launches would be taken for speed
    synchronise()
    return (time.perf_counter() - start) / calls


def synchronise() -> None:
    """Wait for the GPU, if one computes."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def images(count: int) -> ImageData:
    """Random images of CIFAR-10's size: their content does not change the time."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator) for _ in range(2)]
    labels = torch.arange(count) % 10
    return ImageData("random", "", parts[0], labels, parts[1], labels, tuple("0123456789"))


class PillowImages(Dataset[tuple[torch.Tensor, int]]):
    """Images as torchvision's data sets hand them out, with the usual transforms."""

    def __init__(self, count: int) -> None:
        data = images(count)
        self.pictures = [Image.fromarray(np.asarray(image.permute(1, 2, 0))) for image in data.train_images]
        self.labels = data.train_labels.tolist()
        mean, deviation = data.mean.tolist(), data.standard_deviation.tolist()
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize(mean, deviation)])

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pictures[number]), self.labels[number]


def eager(depth: int, device: torch.device) -> Rung:
    """The loop that everybody writes: DataLoader, torchvision's transforms, one network, torch.optim.SGD."""
    network = ResidualNetwork(Recipe(depth=depth), 10, seed=0).to(device)
    use_cudnn_normalisation(network)  # as everybody does
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    workers = 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)
    loader = DataLoader(
        PillowImages(2048),
        BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        pin_memory=workers > 0,
        persistent_workers=workers > 0,  # or they would start anew after these few images
        drop_last=True,
    )

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    batches = endless()
    test = torch.randn(EVALUATION_BATCH, 3, 32, 32)

    def step() -> None:
        pictures, labels = next(batches)
        pictures, labels = pictures.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        network.train()
        loss = functional.cross_entropy(network(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    def evaluate() -> None:
        network.eval()
        with torch.no_grad():
            network(test.to(device)).argmax(dim=1).sum().item()

    return Rung("eager", 1, torch.get_num_threads(), "float32", step, evaluate)


def use_cudnn_normalisation(network: ResidualNetwork) -> None:
    """Have batch normalisation choose its kernels as PyTorch's own layer does: on CUDA, cuDNN's."""
    for module in network.modules():
        if isinstance(module, BatchNormalisation):
            module.__class__ = torch.nn.BatchNorm2d  # type: ignore[assignment]


def engine(
    depth: int,
    device: torch.device,
    networks: int,
    precision: Precision,
    *,
    name: str = "engine",
    threads: int = 1,
    captured: bool = False,
    compiled: bool = False,
    layout: torch.memory_format = torch.channels_last,
    cudnn: bool = False,
) -> Rung:
    """The training of this package: several networks, captured in a CUDA graph or not, blocks compiled or not."""
    data = images(2048).to(device)
    descents = []
    for seed in range(networks):
        recipe = Recipe(depth=depth, batch_size=BATCH_SIZE, precision=precision)
        network = ResidualNetwork(recipe, 10, seed)
        network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
        if cudnn:
            use_cudnn_normalisation(network)
        if compiled:
            # A version for each shape of block, in training and in evaluation; beyond the limit nothing is compiled.
            torch._dynamo.config.recompile_limit = 64
            for block in network.blocks:
                block.compile(dynamic=False)
        descent = Descent(network, data, recipe, seed, layout)
        descent.begin_epoch(0, 1e-4)
        descents.append(descent)
    together = capture if captured else in_turn
    advance = together([descent.advance for descent in descents])
    evaluate = together([descent.evaluate for descent in descents])
    for descent in descents:
        descent.active.fill_(True)

    def step() -> None:
        for descent in descents:
            descent.step.zero_()
        advance()

    def test() -> None:
        for descent in descents:
            descent.tested.zero_()
        evaluate()

    return Rung(name, networks, threads, precision, step, test)


def process_with(
    environment: Mapping[str, str], depth: int, networks: int, precision: Precision, seconds: float
) -> list[Row]:
    """Captured networks in a process of its own, which starts with these variables in its environment."""
    arguments = (environment, depth, networks, precision, seconds)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_captured, *arguments).result()


def _named(environment: Mapping[str, str]) -> str:
    """What a rung is called that is measured with these variables."""
    return "engine, graph, " + ", ".join(f"{name}={value}" for name, value in environment.items())


def _captured(
    environment: Mapping[str, str], depth: int, networks: int, precision: Precision, seconds: float
) -> list[Row]:
    os.environ.update(environment)  # nothing has asked for the device yet
    device = devices.prepare("cuda", precision)
    name = _named(environment)
    return measure([engine(depth, device, networks, precision, name=name, captured=True)], seconds)


def process_per_core(depth: int, cores: int, precision: Precision, seconds: float) -> list[Row]:
    """One network and one thread per core, each in its own process, as the workflow trains."""
    with concurrent.futures.ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(_one_core, [depth] * cores, [precision] * cores, [seconds] * cores))
    step, evaluation, memory = (statistics.mean(column) for column in zip(*rows, strict=True))
    return [row_of("engine, a process per core", cores, 1, precision, step, evaluation, cores * memory)]


def _one_core(depth: int, precision: Precision, seconds: float) -> tuple[float, float, float]:
    torch.set_num_threads(1)
    devices.keep_memory()
    devices.prepare("cpu", precision)
    rung = engine(depth, torch.device("cpu"), 1, precision)
    forget_peak()
    for _ in range(WARM_UPS):
        rung.step()
    # Long enough that the others' start falls into the warm-up.
    seconds_per_call(rung.step, seconds)
    step, evaluation = seconds_per_call(rung.step, ROUNDS * seconds), seconds_per_call(rung.evaluate, 0.6)
    return step, evaluation, peak_memory()


def floors(depth: int, device: torch.device) -> list[Row]:
    """What one step would take if only arithmetic, or only the memory traffic of the activations, took time.

    Arithmetic: three times the forward pass (outputs, gradients of inputs and of weights) at the rate of a large
    matrix product. Memory: each activation of a convolution, its normalisation and its ReLU is written once and read
    once forward and twice as often backward, at the bandwidth of a large copy.
    """
    threads = torch.get_num_threads()
    multiplications, activations = work(depth)
    rows = []
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16") if device.type == "cuda" else ("float32",)
    for precision in precisions:
        devices.prepare(device.type, precision)
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        size = 8192 if device.type == "cuda" else 1536
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        product = seconds_per_call(partial(torch.mm, left, right), 0.5)
        rate = size**3 / product  # multiplications per second
        rows.append(row_of("floor: arithmetic", 1, threads, precision, BATCH_SIZE * 3 * multiplications / rate))
        source = torch.randn(2**28 if device.type == "cuda" else 2**25, device=device)
        target = torch.empty_like(source)
        copy = seconds_per_call(partial(target.copy_, source), 0.5)
        bandwidth = 2 * source.numel() * source.element_size() / copy
        traffic = 3 * 2 * 3 * BATCH_SIZE * activations * dtype.itemsize
        rows.append(row_of("floor: memory", 1, threads, precision, traffic / bandwidth))
    devices.prepare(device.type)
    return rows


def work(depth: int) -> tuple[int, int]:
    """Multiplications of one image's forward pass, and numbers in the outputs of all convolutions."""
    network = ResidualNetwork(Recipe(depth=depth), 10, seed=0).eval()
    multiplications = outputs = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal multiplications, outputs
        assert isinstance(module, torch.nn.Conv2d)
        outputs += output.numel()
        multiplications += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    return multiplications, outputs
