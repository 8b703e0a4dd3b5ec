"""Short training runs for tests: a small recipe, its run on noise, and the history that it ends in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from repro.images.data import ImageData
from repro.settings.recipe import Recipe
from repro.training import network_run
from repro.training.network_run import NetworkRun

CPU = torch.device("cpu")
HERE = {"device": "test"}
KEEP = (0.5, 1.0)


def recipe(normalisation: str = "batch", rate: float = 0.05, epochs: int = 3, **others: Any) -> Recipe:
    """Depth 8, batches of 16: six steps in an epoch of the noise."""
    return Recipe(
        **{
            "normalisation": normalisation,
            "learning_rate": rate,
            "epochs": epochs,
            "depth": 8,
            "batch_size": 16,
            **others,
        }
    )


def begin(
    path: Path,
    data: ImageData,
    recipe_: Recipe | None = None,
    seed: int = 1,
    fingerprint: dict[str, str] = HERE,
    device: torch.device = CPU,
    keep: Sequence[float] = KEEP,
    checkpoint_minutes: float = 0.0,
) -> NetworkRun:
    chosen = recipe_ or recipe()
    name = chosen.normalisation_label
    return NetworkRun(chosen, name, seed, data.to(device), device, path, keep, checkpoint_minutes, fingerprint)


def trained(
    *runs: NetworkRun, stop: Callable[[], bool] = lambda: False, at_once: int | None = None
) -> list[list[dict[str, Any]]]:
    """Histories, without times."""
    network_run.train(runs, stop, at_once)
    return [history(run) for run in runs]


def history(run: NetworkRun) -> list[dict[str, Any]]:
    """Without times."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.position.history]


def after(steps: int) -> Callable[[], bool]:
    """A request to stop that comes when asked once more than `steps` times."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


def kept(run: NetworkRun) -> dict[float, bytes]:
    """Content of the files that a run has kept, by share of the cycle."""
    return {share: run.kept(share).read_bytes() for share in run.keep if run.kept(share).exists()}
