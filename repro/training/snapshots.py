"""Networks at moments of their training: (recipe, seed, share of the cycle), to be measured.

Share 0 is the untrained network and costs nothing. Others are files that training keeps, where
`Configuration.networks_file` says.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repro.images import loading
from repro.images.data import ImageData, mini_batch
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.settings.configuration import Configuration
from repro.settings.recipe import Recipe
from repro.training import checkpoints


@dataclass(frozen=True)
class Snapshot:
    """A network at a moment of its training, and the images it was or would be trained on."""

    recipe: Recipe
    name: str  # of the recipe
    seed: int
    after: float  # share of the training cycle
    network: ResidualNetwork  # in training mode, on its device
    data: ImageData  # on the CPU

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def mini_batch(self, size: int | None = None) -> tuple[Tensor, Tensor]:
        """`size` training images (the recipe's batch size, if None) that this seed draws, and their labels.

        Images float32 (size, 3, y, x), normalised, not augmented; labels int64 (size,); on the network's device.
        """
        images, labels = mini_batch(self.data, size or self.recipe.batch_size, self.seed)
        return images.to(self.device), labels.to(self.device)


def untrained(
    recipe: Recipe,
    seed: int,
    data: ImageData | None = None,
    device: torch.device | str = "cpu",
    name: str | None = None,
) -> Snapshot:
    """The network of a recipe and seed before its first step; `data` None: the recipe's images are loaded.

    `name` None: the recipe is called by its normalisation.
    """
    data = loading.load(recipe.images) if data is None else data
    network = ResidualNetwork(recipe, len(data.class_names), seed).to(device).train()
    return Snapshot(recipe, name or recipe.normalisation_label, seed, 0.0, network, data)


def load(kept: dict[str, Any], file: Path, name: str, snapshot: Snapshot) -> Snapshot | None:
    """`snapshot`, untrained, with the weights that `kept`, the content of `file`, has for its seed.

    None where the network had diverged by then. Raises `UserError` when they are of another recipe, moment or images.
    """
    state = kept.get(str(snapshot.seed))
    state = state if isinstance(state, dict) else {}
    recipe = snapshot.recipe.resolved(state.get("precision", "fastest"))  # that of the device which trained it
    expected = identity(recipe, snapshot.seed, snapshot.after, snapshot.data)
    again = f"delete it and train it again with `python -m repro train {name}`."
    if {key: state.get(key) for key in expected} != expected:
        raise UserError(f"{file} is of another recipe, moment or images; {again}")
    if state["status"] == "diverged":
        return None
    try:
        snapshot.network.load_state_dict(state["network"])
    except (RuntimeError, KeyError):
        raise UserError(f"{file} does not hold the weights of this recipe; {again}") from None
    return snapshot


def identity(recipe: Recipe, seed: int, share: float, data: ImageData) -> dict[str, Any]:
    """What a kept network's file says it is."""
    return {"recipe": recipe.digest, "seed": seed, "after": share, "images": data.checksum}


def wanted(
    configuration: Configuration, experiment: str, device: torch.device
) -> Iterator[tuple[str, int, float, Snapshot | None]]:
    """The networks that an experiment looks at: recipe's name, seed, share, and the network, or None if it diverged.

    Seed by seed, so that networks which differ in their recipe alone follow each other.
    """
    settings = configuration.settings_of(experiment)
    recipes = configuration.recipes_of(experiment)
    images: dict[str, ImageData] = {}
    kept: dict[Path, dict[str, Any]] = {}
    for seed in range(settings.seeds):
        for name, recipe in recipes.items():
            if recipe.images.digest not in images:
                images[recipe.images.digest] = loading.load(recipe.images)
            for share in settings.after:
                snapshot: Snapshot | None = untrained(recipe, seed, images[recipe.images.digest], device, name)
                if snapshot is not None and share:
                    file = configuration.networks_file(name, share)
                    if file not in kept:
                        kept[file] = _read(file, name)
                    snapshot = load(kept[file], file, name, dataclasses.replace(snapshot, after=share))
                yield name, seed, share, snapshot


def _read(file: Path, name: str) -> dict[str, Any]:
    """What training wrote into a file; raises `UserError` when it is missing or damaged."""
    content = checkpoints.read(file)
    if content is None:
        raise UserError(f"{file} is missing or damaged; train it with `python -m repro train {name}`.")
    return content
