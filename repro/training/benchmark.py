"""How fast training is on this machine: a ladder from the plain loop to the engine, beside the hardware's floors.

Every rung makes the same ordinary steps of the paper's recipe: one mini-batch, one SGD update of each network. The
measure is network-epochs per second, for CIFAR-10's 390 steps and 10,000 test images.
"""

import concurrent.futures
import multiprocessing
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
ROUNDS = 3  # every rung is measured so often, the rungs in turn; medians count
WARM_UPS = 2

COLUMNS = {
    "rung": text("`eager`: the usual loop; `engine`: this package's; `floor`: what the hardware would need"),
    "networks": whole("networks trained at the same time"),
    "threads": whole("CPU threads of each process"),
    "precision": text("arithmetic of training"),
    "step_seconds": number("time for one update of every network, seconds"),
    "evaluation_seconds": number("time for 500 test images of every network, seconds; missing for the floors"),
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


def run(depth: int, device_setting: str, seconds: float) -> Path:
    """Measure the ladder with ResNet-`depth`, at least `seconds` for each rung and round; returns the table's path.

    The table is written again after each rung, so that whatever stops the ladder leaves what was measured.
    """
    device = devices.prepare(device_setting)
    start = time.monotonic()
    ladder = cuda_ladder(depth, device, seconds) if device.type == "cuda" else cpu_ladder(depth, seconds)
    path = Path("results/benchmark") / f"training-{device.type}-{depth}.csv"
    rows = []
    for row in ladder:
        rows.append(row)
        provenance = tables.provenance(
            {"depth": depth, "batch_size": BATCH_SIZE}, None, devices.describe(device), time.monotonic() - start
        )
        tables.write(path, _with_rates(rows), COLUMNS, provenance)
    return path


def _with_rates(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The rows with `network_epochs_per_second` and its `ratio` to the first, the plain loop's."""
    table = pd.DataFrame(rows)
    updates, evaluations = TRAIN_IMAGES // BATCH_SIZE, TEST_IMAGES / EVALUATION_BATCH
    epoch = updates * table["step_seconds"] + evaluations * table["evaluation_seconds"].fillna(0)
    table["network_epochs_per_second"] = table["networks"] / epoch
    table["ratio"] = table["network_epochs_per_second"] / table["network_epochs_per_second"].iloc[0]
    return table[list(COLUMNS)]


def cpu_ladder(depth: int, seconds: float) -> Iterator[dict[str, object]]:
    """The rungs on a CPU, the plain loop on all cores first."""
    cores = torch.get_num_threads()
    rungs = [eager(depth, torch.device("cpu")), engine(depth, torch.device("cpu"), 1, "float32", threads=cores)]
    yield from measure(rungs, seconds)
    precisions: list[Precision] = ["float32"]
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        precisions.append("bfloat16")
    for precision in precisions:
        yield process_per_core(depth, cores, precision, seconds)
    yield from floors(depth, torch.device("cpu"))


def cuda_ladder(depth: int, device: torch.device, seconds: float) -> Iterator[dict[str, object]]:
    """The rungs on a GPU: the plain loop, one network, captured ones side by side, and one compiled."""
    yield from measure([eager(depth, device)], seconds)
    yield from measure([engine(depth, device, 1, "float32")], seconds)
    for precision in ("float32", "tf32", "bfloat16"):
        for networks in SIDE_BY_SIDE:
            devices.prepare("cuda", precision)
            try:
                rung = engine(depth, device, networks, precision, captured=True)
            except UserError as error:
                print(error, file=sys.stderr)
                break
            yield from measure([rung], seconds)
            del rung  # its graph's memory is the next one's
    yield from floors(depth, device)
    # Compiling takes a minute or two, so only in the precision that leaves most to gain; and it is the one step that
    # needs a compiler on this machine, so last.
    devices.prepare("cuda", "bfloat16")
    try:
        yield from measure([engine(depth, device, 1, "bfloat16", captured=True, compiled=True)], seconds)
    except Exception:  # whatever the compiler meets
        traceback.print_exc()
        print("The blocks could not be compiled here; the other rungs stand.", file=sys.stderr)


def measure(rungs: list[Rung], seconds: float) -> list[dict[str, object]]:
    """Times of the rungs, measured in turn; the median round of each."""
    times: dict[str, list[tuple[float, float]]] = {rung.name: [] for rung in rungs}
    for rung in rungs:
        torch.set_num_threads(rung.threads)
        for _ in range(WARM_UPS):
            rung.step()
        rung.evaluate()
    for _ in range(ROUNDS):
        for rung in rungs:
            torch.set_num_threads(rung.threads)
            times[rung.name].append((seconds_per_call(rung.step, seconds), seconds_per_call(rung.evaluate, 0.2)))
    rows = []
    for rung in rungs:
        step, evaluation = (statistics.median(column) for column in zip(*times[rung.name], strict=True))
        row = row_of(rung.name, rung.networks, rung.threads, rung.precision, step, evaluation)
        rows.append(row)
    return rows


def row_of(
    rung: str, networks: int, threads: int, precision: str, step: float, evaluation: float = float("nan")
) -> dict[str, object]:
    """A row of the table, also said on stderr as it is known."""
    print(f"{rung}, {networks} network(s), {threads} thread(s), {precision}: {step:.4g} s a step", file=sys.stderr)
    return {
        "rung": rung,
        "networks": networks,
        "threads": threads,
        "precision": precision,
        "step_seconds": step,
        "evaluation_seconds": evaluation,
    }


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
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
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
    for module in network.modules():
        if isinstance(module, BatchNormalisation):
            module.__class__ = torch.nn.BatchNorm2d  # type: ignore[assignment]  # with cuDNN's kernels, as everybody's
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


def engine(
    depth: int,
    device: torch.device,
    networks: int,
    precision: Precision,
    *,
    threads: int = 1,
    captured: bool = False,
    compiled: bool = False,
) -> Rung:
    """The training of this package: several networks, captured in a CUDA graph or not, blocks compiled or not."""
    data = images(2048).to(device)
    descents = []
    for seed in range(networks):
        recipe = Recipe(depth=depth, batch_size=BATCH_SIZE, precision=precision)
        network = ResidualNetwork(recipe, 10, seed)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            # A version for each shape of block, in training and in evaluation; beyond the limit nothing is compiled.
            torch._dynamo.config.recompile_limit = 64
            for block in network.blocks:
                block.compile(dynamic=False)
        descent = Descent(network, data, recipe, seed)
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

    name = "engine" + captured * ", graph" + compiled * ", compiled"
    return Rung(name, networks, threads, precision, step, test)


def process_per_core(depth: int, cores: int, precision: Precision, seconds: float) -> dict[str, object]:
    """One network and one thread per core, each in its own process, as the workflow trains."""
    with concurrent.futures.ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(_one_core, [depth] * cores, [precision] * cores, [seconds] * cores))
    step, evaluation = (statistics.mean(column) for column in zip(*rows, strict=True))
    return row_of("engine, a process per core", cores, 1, precision, step, evaluation)


def _one_core(depth: int, precision: Precision, seconds: float) -> tuple[float, float]:
    torch.set_num_threads(1)
    devices.keep_memory()
    devices.prepare("cpu", precision)
    rung = engine(depth, torch.device("cpu"), 1, precision)
    for _ in range(WARM_UPS):
        rung.step()
    # Long enough that the others' start falls into the warm-up.
    seconds_per_call(rung.step, seconds)
    return seconds_per_call(rung.step, ROUNDS * seconds), seconds_per_call(rung.evaluate, 0.6)


def floors(depth: int, device: torch.device) -> list[dict[str, object]]:
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
