"""Training one network from its first step to its last, through any number of interruptions."""

import hashlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from repro.images.batches import steps_per_epoch
from repro.images.data import ImageData
from repro.machine.files import write_atomically
from repro.machine.progress import duration
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training import checkpoints, snapshots
from repro.training.descent import EVALUATION_BATCH, Descent
from repro.training.schedule import epochs_after, learning_rate
from repro.training.side_by_side import Step, side_by_side


class Interrupted(Exception):
    """Training was asked to stop; its checkpoint is written and the same command resumes it."""


@dataclass
class Position:
    """Where a run stands, with what the current epoch has added up so far."""

    epoch: int = 0  # epochs completed
    step: int = 0  # steps completed in the current epoch
    total_steps: int = 0
    status: str = "incomplete"  # or `finished` or `diverged`
    first_loss: float = 0.0
    loss_sum: float = 0.0
    correct: int = 0
    gradient_norm_sum: float = 0.0
    seconds: float = 0.0  # spent on the current epoch, by all networks side by side
    busy: float = 0.0  # this network's part of all seconds so far
    history: list[dict[str, Any]] = field(default_factory=list)


# What a `Descent` counts on its device.
COUNTED = ("step", "total_steps", "first_loss", "loss_sum", "correct", "gradient_norm_sum")


class NetworkRun:
    """The training of one network, a recipe and a seed, with its checkpoint at `path`.

    Begins where the checkpoint stands, if there is one. After each of the shares of the cycle in `keep` the network is
    written beside it, to `kept(share)`. `data` holds the images on `device`; `fingerprint` describes the environment,
    and continuing a checkpoint of another is said on stderr. The recipe's precision is the one that `device` computes
    in: `Recipe.resolved`.
    """

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        seed: int,
        data: ImageData,
        device: torch.device,
        path: Path,
        keep: Sequence[float],
        checkpoint_minutes: float,
        fingerprint: dict[str, str],
    ) -> None:
        self.recipe = recipe
        self.name = name
        self.seed = seed
        self.path = path
        self.keep = keep
        self.fingerprint = fingerprint
        self.checkpoint_minutes = checkpoint_minutes
        self.steps_per_epoch = steps_per_epoch(data, recipe.batch_size)
        network = ResidualNetwork(recipe, len(data.class_names), seed)
        # channels_last is the faster layout for batch normalisation on CPUs and for tensor cores.
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.descent = Descent(network, data, recipe, seed)
        self.position = Position()
        self._resume()

    @property
    def incomplete(self) -> bool:
        """Whether there is something left to train."""
        return self.position.status == "incomplete"

    @property
    def epoch_length(self) -> tuple[int, int]:
        """Steps and evaluations of an epoch; what trains side by side agrees in these."""
        return self.steps_per_epoch, math.ceil(len(self.descent.data.test_images) / EVALUATION_BATCH)

    def begin_epoch(self) -> None:
        """Take part in the next steps, from the current position in the epoch on."""
        self.descent.begin_epoch(self.position.epoch, learning_rate(self.recipe, self.position.epoch))
        self.descent.active.fill_(True)

    def read_counts(self) -> None:
        """Take what the device has counted into the position; waits for the device."""
        for name in COUNTED:
            setattr(self.position, name, getattr(self.descent, name).item())
        if self.descent.diverged:
            self.position.status = "diverged"

    def end_epoch(self) -> None:
        """Add the epoch to the history; a diverged network's last row is the epoch it broke off in."""
        position, descent = self.position, self.descent
        descent.active.fill_(False)
        diverged = position.status == "diverged"
        updates = position.step - diverged
        tested = descent.tested.item()
        rate = learning_rate(self.recipe, position.epoch)
        position.epoch += 1
        if not diverged and position.epoch == self.recipe.epochs:
            position.status = "finished"
        position.history.append(
            {
                "epoch": position.epoch,
                "steps": position.total_steps,
                "learning_rate": rate,
                "train_loss": position.loss_sum / position.step,
                "train_accuracy": position.correct / (updates * self.recipe.batch_size) if updates else math.nan,
                "test_loss": math.nan if diverged else descent.test_loss_sum.item() / tested,
                "test_accuracy": math.nan if diverged else descent.test_correct.item() / tested,
                "gradient_norm": position.gradient_norm_sum / updates if updates else math.nan,
                "seconds": position.seconds,
            }
        )
        for share in self.keep:
            if epochs_after(self.recipe, share) == position.epoch or (
                diverged and epochs_after(self.recipe, share) > position.epoch
            ):
                self._keep(share)
        self._report()
        position.step, position.loss_sum, position.correct, position.gradient_norm_sum = 0, 0.0, 0, 0.0
        position.seconds = 0.0
        for count in (descent.step, descent.loss_sum, descent.correct, descent.gradient_norm_sum):
            count.zero_()
        for count in (descent.tested, descent.test_loss_sum, descent.test_correct):
            count.zero_()

    def save(self) -> None:
        """Write the checkpoint."""
        self.read_counts()
        state = {
            "parameters": self.descent.parameters.cpu(),
            "velocity": self.descent.velocity.cpu(),
            "buffers": [buffer.cpu() for buffer in self.descent.buffers],
            "position": asdict(self.position),
            "fingerprint": self.fingerprint,
        }
        checkpoints.save(self.path, state)

    def kept(self, share: float) -> Path:
        """Where the network is written after a share of the cycle."""
        return self.path.with_name(f"{self.path.stem}-after{share:g}.pt")

    def weights_digest(self) -> str:
        """SHA-256 over all parameters and buffers, to tell whether two runs ended in the same network."""
        digest = hashlib.sha256()
        for tensor in (self.descent.parameters, *self.descent.buffers):
            digest.update(tensor.cpu().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def _resume(self) -> None:
        state = checkpoints.load(self.path)
        if state is None:
            return
        position = Position(**state["position"])
        # A network that diverged is over only once the epoch that it broke off in has been ended.
        over = position.status != "incomplete" and not position.step
        passed = [share for share in self.keep if over or epochs_after(self.recipe, share) <= position.epoch]
        missing = [share for share in passed if checkpoints.read(self.kept(share)) is None]
        # Of a network that had diverged by then there is nothing to keep but that.
        gone = [share for share in missing if over and position.status == "diverged"]
        gone = [share for share in gone if epochs_after(self.recipe, share) >= position.epoch]
        if lost := [share for share in missing if share not in gone]:
            print(
                f"The network after {lost[0]:g} of its training was not kept, or its file ({self.kept(lost[0])}) is "
                f"missing or damaged, so {self.name} seed {self.seed} is trained from the start.",
                file=sys.stderr,
            )
            return
        self.position = position
        self.descent.parameters.copy_(state["parameters"])
        self.descent.velocity.copy_(state["velocity"])
        for buffer, there in zip(self.descent.buffers, state["buffers"], strict=True):
            buffer.copy_(there)
        for name in COUNTED:
            getattr(self.descent, name).fill_(getattr(self.position, name))
        self.descent.diverged.fill_(self.position.status == "diverged")
        there = state["fingerprint"]
        changed = [name for name in self.fingerprint if there.get(name) != self.fingerprint[name]]
        if changed and self.incomplete:
            changes = ", ".join(f"{name} {there.get(name)} -> {self.fingerprint[name]}" for name in changed)
            print(f"{self.path} continues in another environment ({changes}): last digits may differ.", file=sys.stderr)
        if self.position.status == "diverged" and self.position.step:
            self.end_epoch()  # stopped between the step that diverged and the end of its epoch
        for share in gone:
            self._keep(share)

    def _keep(self, share: float) -> None:
        """Write the network as it is after a share of the cycle, or that it had diverged by then."""
        diverged = self.position.status == "diverged"
        state = snapshots.identity(self.recipe, self.seed, share, self.descent.data) | {
            "status": "diverged" if diverged else "alive",
            "epoch": self.position.epoch,
            "precision": self.recipe.precision,
            "network": {} if diverged else self._weights(),
        }
        write_atomically(self.kept(share), checkpoints.pack(state))

    def _weights(self) -> dict[str, torch.Tensor]:
        """The network's parameters and buffers by name, each in memory of its own, in the usual layout."""
        weights = self.descent.network.state_dict()
        return {name: value.cpu().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}

    def _report(self) -> None:
        position, last = self.position, self.position.history[-1]
        recent = [row["seconds"] for row in position.history[-5:]]
        rest = (self.recipe.epochs - position.epoch) * sum(recent) / len(recent)
        outcome = (
            f"{position.status} after {position.total_steps} steps"
            if position.status == "diverged"
            else f"train {last['train_accuracy']:.1%}, test {last['test_accuracy']:.1%}, about {duration(rest)} left"
        )
        print(
            f"{self.name} seed {self.seed}: epoch {position.epoch}/{self.recipe.epochs}, "
            f"loss {last['train_loss']:.3g}, {outcome}",
            file=sys.stderr,
            flush=True,
        )


def train(
    runs: Sequence[NetworkRun], stop: Callable[[], bool] = lambda: False, networks_at_once: int | None = None
) -> None:
    """Train networks to their ends, `networks_at_once` (all, if None) side by side where the device can.

    Each ends in the numbers of a run of its own, whatever the others are; when one has ended the next takes its place.
    Those whose epochs have other numbers of steps wait until the first ones have ended. Checkpoints are written every
    `checkpoint_minutes` and at the end; `stop` is asked after every step, and when it says so they are written too and
    `Interrupted` is raised.
    """
    together: list[NetworkRun] = []
    steps: tuple[Step, Step] | None = None
    saved = time.monotonic()
    while waiting := [run for run in runs if run.incomplete]:
        chosen = [run for run in waiting if run.epoch_length == waiting[0].epoch_length][:networks_at_once]
        # After a kill in the middle of epochs some may be at another step: each group ends its epoch first.
        place = max(run.position.step for run in chosen)
        level = [run for run in chosen if run.position.step == place]
        if level != together or steps is None:
            together, steps = level, None  # None first: the memory of the last graph is the next one's
            steps = _steps(together)
        saved = _epoch(together, *steps, stop, saved)
        minutes = together[0].checkpoint_minutes
        overdue = time.monotonic() - saved > 60 * minutes
        ahead = len(together) < len(chosen)  # a stop while the others end their epochs saves only those
        for run in together:
            if overdue or ahead or not run.incomplete:
                run.save()
        if overdue:
            saved = time.monotonic()


def _steps(runs: Sequence[NetworkRun]) -> tuple[Step, Step]:
    """One step of training of all `runs`, and one of evaluation."""
    device = runs[0].descent.parameters.device
    return (
        side_by_side([run.descent.advance for run in runs], device),
        side_by_side([run.descent.evaluate for run in runs], device),
    )


def _epoch(runs: Sequence[NetworkRun], advance: Step, evaluate: Step, stop: Callable[[], bool], saved: float) -> float:
    """What is left of an epoch of each of `runs`, all at the same step; returns when checkpoints were last written."""
    start = time.monotonic()
    on_cpu = runs[0].descent.parameters.device.type == "cpu"

    def save_all() -> None:
        nonlocal start
        for run in runs:
            run.position.seconds += time.monotonic() - start
            run.position.busy += (time.monotonic() - start) / len(runs)
            run.save()
        start = time.monotonic()

    for run in runs:
        run.begin_epoch()
    for _ in range(runs[0].position.step, runs[0].steps_per_epoch):
        advance()
        # A CPU has nothing queued, so asking costs nothing; a GPU's steps are asked about when the epoch is over.
        if on_cpu and all(run.descent.diverged for run in runs):
            break
        stopping = stop()
        overdue = time.monotonic() - saved > 60 * runs[0].checkpoint_minutes > 0
        if stopping or overdue:
            save_all()
            saved = time.monotonic()
        if stopping:
            raise Interrupted
    for run in runs:
        run.read_counts()
    if any(run.incomplete for run in runs):
        for _ in range(runs[0].epoch_length[1]):
            evaluate()
    for run in runs:
        run.descent.tested.item()  # waits for the device
    seconds = time.monotonic() - start
    for run in runs:
        run.position.seconds += seconds
        run.position.busy += seconds / len(runs)
        run.end_epoch()
    return saved
