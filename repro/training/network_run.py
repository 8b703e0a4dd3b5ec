"""Training one network: ordinary SGD from its first step to its last, through any number of interruptions."""

import hashlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.config import Condition, Configuration
from repro.datasets import ImageData, normalise
from repro.networks import ResidualNetwork
from repro.progress import duration
from repro.training import batches, checkpoints

LEARNING_RATE_DROPS = (0.5, 0.75)  # fractions of the training cycle; the rate is divided by 10 at each
EVALUATION_BATCH = 500
DIVERGENCE_FACTOR = 10  # times the first mini-batch's loss: a deep network without BN may begin above the threshold


class Interrupted(Exception):
    """Training was asked to stop; its checkpoint is written and the same command resumes it."""


@dataclass
class Position:
    """Where a run stands, with what the current epoch has added up so far."""

    epoch: int = 0  # epochs completed
    step: int = 0  # steps completed in the current epoch
    total_steps: int = 0
    status: str = "incomplete"  # or `finished` or `diverged`
    first_loss: float = math.nan
    loss_sum: float = 0.0
    correct: int = 0
    gradient_norm_sum: float = 0.0
    seconds: float = 0.0  # spent on the current epoch
    history: list[dict[str, Any]] = field(default_factory=list)


def learning_rate(condition: Condition, epoch: int) -> float:
    """Initial rate divided by 10 for each drop passed, in 0-based `epoch`: at 50 % and 75 % of the cycle. Section 3."""
    drops = sum(epoch >= fraction * condition.epochs for fraction in LEARNING_RATE_DROPS)
    return condition.learning_rate * 0.1**drops


class NetworkRun:
    """One network's training under a condition and seed.

    SGD with momentum and weight decay on the mean cross-entropy of mini-batches:
    v <- momentum v + (grad L + weight_decay w), w <- w - learning_rate v. A mini-batch loss that is not finite, or
    above both `divergence_loss` and ten times the first one, ends the run as `diverged`: a result like any other.
    """

    def __init__(
        self, configuration: Configuration, condition: Condition, seed: int, data: ImageData, device: torch.device
    ) -> None:
        self.settings = configuration.training
        self.batch_size = configuration.batch_size
        self.condition = condition
        self.seed = seed
        self.data = data
        self.device = device
        depth = self.settings.depth or configuration.network.depth
        network = ResidualNetwork(
            configuration.network.model_copy(update={"depth": depth}),
            condition.normalisation,
            len(data.class_names),
            seed,
        )
        # channels_last is the faster layout for batch normalisation on CPUs and for tensor cores.
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=condition.learning_rate,
            momentum=self.settings.momentum,
            weight_decay=self.settings.weight_decay,
        )
        self.position = Position()

    def train(self, path: Path, fingerprint: dict[str, str], stop: Callable[[], bool] = lambda: False) -> Position:
        """Train to the end, beginning from the checkpoint at `path` if there is one.

        `fingerprint` describes the environment; a checkpoint of another is continued, and that is said. `stop` is
        asked after every step; when it says so, a checkpoint is written and `Interrupted` raised.
        """
        self._resume(path, fingerprint)
        position = self.position
        saved = time.monotonic()
        while position.status == "incomplete":
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.condition, position.epoch)
            self.network.train()
            remaining = batches.epoch_batches(
                self.data,
                self.batch_size,
                self.seed,
                position.epoch,
                self.settings.augmentation,
                self.device,
                first=position.step,
            )
            for images, labels in remaining:
                start = time.monotonic()
                diverged = not self._step(images, labels)
                position.seconds += time.monotonic() - start
                if diverged:
                    break
                stopping = stop()
                if stopping or time.monotonic() - saved > 60 * self.settings.checkpoint_minutes > 0:
                    self._save(path, fingerprint)
                    saved = time.monotonic()
                if stopping:
                    raise Interrupted
            self._end_epoch()
            if position.status != "incomplete" or self.settings.checkpoint_minutes == 0:
                self._save(path, fingerprint)
                saved = time.monotonic()
        return position

    def _step(self, images: Tensor, labels: Tensor) -> bool:
        """One update; False, and no update, when the loss says that the network has diverged."""
        position = self.position
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits, labels)
        value = loss.item()
        if position.total_steps == 0:
            position.first_loss = value
        limit = max(self.settings.divergence_loss, DIVERGENCE_FACTOR * position.first_loss)
        if not value <= limit:
            position.status = "diverged"
            position.loss_sum += value
            position.step += 1
            return False
        self.optimiser.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        position.gradient_norm_sum += nn.utils.get_total_norm(gradients).item()
        self.optimiser.step()
        position.loss_sum += value
        position.correct += int((logits.argmax(dim=1) == labels).sum())
        position.step += 1
        position.total_steps += 1
        return True

    def _end_epoch(self) -> None:
        """Add the epoch to the history; a diverged network's last row is the epoch it broke off in."""
        position = self.position
        start = time.monotonic()
        diverged = position.status == "diverged"
        test_loss, test_accuracy = (math.nan, math.nan) if diverged else self.evaluate()
        position.seconds += time.monotonic() - start
        updates = position.step - diverged
        rate = learning_rate(self.condition, position.epoch)
        position.epoch += 1
        if not diverged and position.epoch == self.condition.epochs:
            position.status = "finished"
        position.history.append(
            {
                "epoch": position.epoch,
                "steps": position.total_steps,
                "learning_rate": rate,
                "train_loss": position.loss_sum / position.step,
                "train_accuracy": position.correct / (updates * self.batch_size) if updates else math.nan,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
                "gradient_norm": position.gradient_norm_sum / updates if updates else math.nan,
                "seconds": position.seconds,
            }
        )
        self._report()
        position.step, position.loss_sum, position.correct, position.gradient_norm_sum = 0, 0.0, 0, 0.0
        position.seconds = 0.0

    def evaluate(self) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the test images, with running averages in place of batch statistics."""
        self.network.eval()
        loss, correct = 0.0, 0
        with torch.no_grad():
            for first in range(0, len(self.data.test_images), EVALUATION_BATCH):
                images = self.data.test_images[first : first + EVALUATION_BATCH].to(self.device)
                labels = self.data.test_labels[first : first + EVALUATION_BATCH].to(self.device)
                images = normalise(images, self.data).contiguous(memory_format=torch.channels_last)
                logits = self.network(images)
                loss += functional.cross_entropy(logits, labels, reduction="sum").item()
                correct += int((logits.argmax(dim=1) == labels).sum())
        return loss / len(self.data.test_labels), correct / len(self.data.test_labels)

    def weights_digest(self) -> str:
        """SHA-256 over all parameters and running averages, to tell whether two runs ended in the same network."""
        digest = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _report(self) -> None:
        position, last = self.position, self.position.history[-1]
        recent = [row["seconds"] for row in position.history[-5:]]
        rest = (self.condition.epochs - position.epoch) * sum(recent) / len(recent)
        outcome = (
            f"{position.status} after {position.total_steps} steps"
            if position.status == "diverged"
            else f"train {last['train_accuracy']:.1%}, test {last['test_accuracy']:.1%}, about {duration(rest)} left"
        )
        print(
            f"{self.condition.name} seed {self.seed}: epoch {position.epoch}/{self.condition.epochs}, "
            f"loss {last['train_loss']:.3g}, {outcome}",
            file=sys.stderr,
            flush=True,
        )

    def _save(self, path: Path, fingerprint: dict[str, str]) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "position": asdict(self.position),
            "fingerprint": fingerprint,
        }
        checkpoints.save(path, state)

    def _resume(self, path: Path, fingerprint: dict[str, str]) -> None:
        state = checkpoints.load(path)
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.position = Position(**state["position"])
        changed = [name for name in fingerprint if state["fingerprint"].get(name) != fingerprint[name]]
        if changed and self.position.status == "incomplete":
            changes = ", ".join(f"{name} {state['fingerprint'].get(name)} -> {fingerprint[name]}" for name in changed)
            print(f"{path} continues in another environment ({changes}): last digits may differ.", file=sys.stderr)
