"""Test accuracy of a network whose batch normalisation normalises by one kind of statistics or another."""

import copy
import itertools
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.experiments.evaluation_statistics.settings import BATCH, COLUMNS, POPULATION, RUNNING, STANDING, Settings
from repro.instruments import population
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.training.descent import EVALUATION_BATCH
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Accuracy and mean loss of the test images by each kind of statistics, a row each; the columns are `COLUMNS`.

    y = gamma (x - mu) / sqrt(sigma^2 + epsilon) + beta with the same weights throughout; mu and sigma^2 are the
    network's running averages; the population's (`population.settle`: Ioffe and Szegedy 2015, Algorithm 2, with all
    images as one mini-batch); those of mini-batches of b test images in an order that the seed draws, the incomplete
    rest being left out; and averages that further mini-batches of training have moved (`averages_standing_still`).
    Nothing is augmented but these last, and dropout is off. The network stays as it is.

    Raises `UserError` for a network that has no batch normalisation everywhere, and when there are fewer test images
    than a mini-batch holds.
    """
    _require(snapshot, settings)
    images, labels = snapshot.data.test_images, snapshot.data.test_labels.cpu()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(snapshot.seed))
    network = copy.deepcopy(snapshot.network).eval()
    own = logits(network, snapshot, images, EVALUATION_BATCH)
    found = {}
    for momentum, averages in averages_standing_still(snapshot, settings.momenta, settings.passes).items():
        for buffer, average in zip(_averages(network), averages, strict=True):
            buffer.copy_(average)
        found[momentum] = logits(network, snapshot, images, EVALUATION_BATCH)
    parts = snapshot.data.train_images.split(EVALUATION_BATCH)
    population.settle(network, [population.prepared(network, snapshot.data, part) for part in parts])
    exact = logits(network, snapshot, images, EVALUATION_BATCH)

    everything = torch.arange(len(images))
    rows: list[tuple[str, int | None, float | None, Tensor, Tensor]]
    rows = [(RUNNING, None, None, own, everything), (POPULATION, None, None, exact, everything)]
    for layer in _layers(network):
        layer.train()  # and not the network, whose dropout stays off
    for size in settings.batch_sizes:
        chosen = order[: len(order) // size * size]
        rows.append((BATCH, size, None, logits(network, snapshot, images[chosen], size), chosen))
    rows += [(STANDING, None, momentum, values, everything) for momentum, values in found.items()]
    return pd.DataFrame(
        [
            (name, size, momentum, len(chosen), *score(values, labels[chosen]), *score(exact[chosen], labels[chosen]))
            for name, size, momentum, values, chosen in rows
        ],
        columns=list(COLUMNS),
    ).astype({"batch_size": float, "averaging_momentum": float})


@torch.no_grad()
def logits(network: ResidualNetwork, snapshot: Snapshot, images: Tensor, size: int) -> Tensor:
    """Logits (image, class), float64 on the CPU, of uint8 images (image, 3, y, x), `size` at a time, in their order."""
    parts = images.split(size)
    return torch.cat([network(population.prepared(network, snapshot.data, part)).double().cpu() for part in parts])


def score(values: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of images classified correctly and mean cross-entropy, from logits (image, class) and labels (image,).

    What is not finite has no largest class, so it is not correct, and the loss is then NaN or infinite.
    """
    right = (values.argmax(dim=1) == labels) & values.isfinite().all(dim=1)
    return right.double().mean().item(), functional.cross_entropy(values, labels).item()


@torch.no_grad()
def averages_standing_still(snapshot: Snapshot, momenta: Sequence[float], passes: int) -> dict[float, list[Tensor]]:
    """Running averages r <- (1 - m) r + m s after more mini-batches, by the averaging momentum m; weights stand still.

    s are the moments of each of `passes` mini-batches of ordinary training, from the moment of the snapshot on and
    augmented as the recipe says, the variance with PyTorch's factor n / (n - 1); r begins as the network's own. So
    this is the part of m that is noise, of a network that has stopped: along training, weights that move also make
    averages lag, the more the smaller m is. Activations in training mode do not depend on r, so one passage serves
    all m. Returns for each m all layers' means and variances, in the order of `_averages`.
    """
    if not momenta:
        return {}
    trained = trainee(snapshot)
    found = {momentum: [average.clone() for average in _averages(trained.network)] for momentum in momenta}
    for layer in _layers(trained.network):
        layer.momentum = 1.0  # the averages become the mini-batch's own moments
    for images, _ in itertools.islice(trained.batches, passes):
        trained.network(images.to(trained.network.classifier.weight.dtype))
        for momentum, averages in found.items():
            for average, moment in zip(averages, _averages(trained.network), strict=True):
                average.lerp_(moment, momentum)
    return found


def _require(snapshot: Snapshot, settings: Settings) -> None:
    if snapshot.recipe.normalisation != "batch" or snapshot.recipe.place == "final":
        raise UserError(
            "evaluation_statistics looks at networks with batch normalisation everywhere, and "
            f"{snapshot.name} has the normalisation {snapshot.recipe.normalisation_label}; change "
            "experiments.evaluation_statistics.recipes."
        )
    count = len(snapshot.data.test_images)
    if max(settings.batch_sizes) > count:
        raise UserError(
            f"A mini-batch of {max(settings.batch_sizes)} images for evaluation_statistics cannot be drawn from "
            f"{count} test images; lower experiments.evaluation_statistics.batch_sizes or raise images.test_images."
        )


def _layers(network: ResidualNetwork) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def _averages(network: ResidualNetwork) -> list[Tensor]:
    """Running means and variances of all layers."""
    averages = [average for layer in _layers(network) for average in (layer.running_mean, layer.running_var)]
    return [average for average in averages if average is not None]
