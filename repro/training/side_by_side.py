"""Running a step of several networks at once: as parallel branches of one CUDA graph, or one after the other."""

import itertools
import traceback
from collections.abc import Callable, Sequence

import torch

from repro.machine.errors import UserError

WARM_UPS = 3  # runs before a capture, in which libraries choose kernels and allocate what they keep
MOST_QUEUED = 50  # steps that the host is ahead of the device: it answers a request to stop after these

Step = Callable[[], None]


def side_by_side(steps: Sequence[Step], device: torch.device) -> Step:
    """One step that runs every one of `steps` once, each for another network.

    On CUDA the steps become branches of one graph (`capture`) and must be tensor operations alone, which change
    nothing while they are captured, as those of an inactive `Descent`.
    """
    return capture(steps) if device.type == "cuda" else in_turn(steps)


def in_turn(steps: Sequence[Step]) -> Step:
    """Run one after the other."""

    def run() -> None:
        for step in steps:
            step()

    return run


def capture(steps: Sequence[Step]) -> Step:
    """Capture each step as a branch of one CUDA graph: one launch for all of them, small kernels side by side.

    The host waits for the device every `MOST_QUEUED` launches. Raises `UserError` when the steps do not fit into the
    device's memory.
    """
    graph = torch.cuda.CUDAGraph()
    trunk, branches = torch.cuda.Stream(), [torch.cuda.Stream() for _ in steps]

    def run() -> None:
        # All branches leave the trunk before the first one comes back, or they would wait for each other.
        for branch in branches:
            branch.wait_stream(trunk)
        try:
            for branch, step in zip(branches, steps, strict=True):
                with torch.cuda.stream(branch):
                    step()
        finally:  # a capture can end, also one that failed, only when all are back
            for branch in branches:
                trunk.wait_stream(branch)

    try:
        with torch.cuda.stream(torch.cuda.current_stream()):  # to which a capture that fails does not return
            trunk.wait_stream(torch.cuda.current_stream())
            # On the very streams that are captured then: autograd remembers the stream of a leaf's first use.
            for _ in range(WARM_UPS):
                run()
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            with torch.cuda.graph(graph, stream=trunk):
                run()
    except RuntimeError as error:
        # PyTorch has a type of its own for memory, says it otherwise in a graph, and may fail again in leaving that.
        if "out of memory" not in "".join(traceback.format_exception(error)):
            raise
        raise UserError(
            f"{len(steps)} networks side by side do not fit into this GPU's memory; lower training.networks_at_once "
            "or recipe.batch_size, or stop what else runs there."
        ) from None
    return keeping_up(graph.replay, torch.cuda.synchronize)


def keeping_up(step: Step, wait: Callable[[], object], most: int = MOST_QUEUED) -> Step:
    """`step`, with a `wait` for what it has queued after every `most`-th call.

    Without it a host queues an epoch of steps within a moment, and cannot be stopped until they are done.
    """
    calls = itertools.count(1)

    def run() -> None:
        step()
        if next(calls) % most == 0:
            wait()

    return run
