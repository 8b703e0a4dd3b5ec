"""What batch normalisation changes in a trained network that it is put into, and what fine-tuning makes of it."""

import copy
import math
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor, nn

from repro.experiments.insertion.settings import (
    AFTER,
    BEFORE,
    COLUMNS,
    IDENTITY,
    ORIGINAL,
    STANDARDISED,
    Settings,
)
from repro.images.batches import steps_per_epoch
from repro.instruments import population
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.training.descent import EVALUATION_BATCH, Descent
from repro.training.schedule import epochs_after
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """The network, BN inserted as identity, and BN with gamma 1 and beta 0; each before and after fine-tuning, a row.

    The columns are `COLUMNS`. Changes are those of the test images' logits: each network's minus the original's, both
    in evaluation mode, and both in training mode on the same mini-batches, drawn without replacement by the seed, the
    last of which may be smaller. Fine-tuning is ordinary training, by the recipe, at a constant rate, with momentum
    beginning at zero.

    Raises `UserError` for a network that has a normalisation already, and when there are fewer training images than a
    mini-batch holds.
    """
    if snapshot.recipe.normalisation != "none":
        raise UserError(
            f"insertion puts batch normalisation into networks without any, and {snapshot.name} has the normalisation "
            f"{snapshot.recipe.normalisation}; set `normalisation: none` in experiments.insertion.recipes."
        )
    variants = {
        ORIGINAL: copy.deepcopy(snapshot.network),
        IDENTITY: with_normalisation(snapshot, undo),
        STANDARDISED: with_normalisation(snapshot, lambda layer: None),
    }
    calm, batched = of_test_images(variants[ORIGINAL], snapshot)
    rows = []
    for variant, network in variants.items():
        found = of_test_images(network, snapshot)
        about = {"shortcut": snapshot.recipe.shortcut, "variant": variant, "dead_channels": dead_channels(network)}
        about |= {"largest_logit": largest(calm), "rms_logit": root_mean_square(calm)}
        changes = {"largest_change": largest(found[0] - calm), "rms_change": root_mean_square(found[0] - calm)}
        changes["batch_largest_change"] = largest(found[1] - batched)
        changes["batch_rms_change"] = root_mean_square(found[1] - batched)
        before = {"moment": BEFORE, "status": "finished", "updates": 0}
        rows.append(about | before | changes | accuracies(found, snapshot))
        finished = fine_tune(network, snapshot, settings.learning_rate, settings.updates)
        then = {"moment": AFTER, "status": "finished" if finished else "diverged", "updates": settings.updates}
        rows.append(about | then | (accuracies(of_test_images(network, snapshot), snapshot) if finished else {}))
    table = pd.DataFrame(rows).assign(learning_rate=settings.learning_rate)
    return table[list(COLUMNS)]


def with_normalisation(snapshot: Snapshot, then: Callable[[nn.BatchNorm2d], None]) -> ResidualNetwork:
    """The network with the same kernels and classifier, and a BN after every convolution, in evaluation mode.

    Its running averages are the moments over all training images, not augmented (`population.settle`), gamma is 1 and
    beta 0; but `then` is called with each layer before those behind it are measured.
    """
    recipe = snapshot.recipe.model_copy(update={"normalisation": "batch"})
    network = ResidualNetwork(recipe, len(snapshot.data.class_names), snapshot.seed)
    weights = snapshot.network.state_dict()
    missing, unexpected = network.load_state_dict(weights, strict=False)
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if unexpected or any(name.rpartition(".")[0] not in layers for name in missing):
        raise RuntimeError("the networks with and without batch normalisation differ in more than its layers")
    network = network.to(snapshot.device, snapshot.network.classifier.weight.dtype)
    images = [
        population.prepared(network, snapshot.data, part) for part in snapshot.data.train_images.split(EVALUATION_BATCH)
    ]
    population.settle(network, images, then)
    return network


@torch.no_grad()
def undo(layer: nn.BatchNorm2d) -> None:
    """gamma = sqrt(sigma^2 + epsilon), beta = mu, so that y = x in evaluation mode. Ioffe and Szegedy 2015, Section 3.

    With the layer's own epsilon, so that a channel of variance 0 has a gamma above 0 and is undone too.
    """
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.weight.copy_((layer.running_var.double() + layer.eps).sqrt())
    layer.bias.copy_(layer.running_mean)


def dead_channels(network: ResidualNetwork) -> int:
    """How many channels of all BN layers have the variance 0."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return sum(int((layer.get_buffer("running_var") == 0).sum()) for layer in layers)


@torch.no_grad()
def logits(network: ResidualNetwork, snapshot: Snapshot, training: bool) -> Tensor:
    """Logits (image, class), float64 on the CPU, of the test images in a mode; the network stays as it is.

    In training mode mini-batches of the recipe's size are drawn by the seed; rows are in the order of the images.
    """
    made = copy.deepcopy(network).train(training)  # training mode moves running averages
    images = snapshot.data.test_images
    order = torch.arange(len(images))
    if training:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(snapshot.seed))
    size = snapshot.recipe.batch_size if training else EVALUATION_BATCH
    found = torch.cat(
        [made(population.prepared(made, snapshot.data, images[places])).double().cpu() for places in order.split(size)]
    )
    return found[order.argsort()]


def of_test_images(network: ResidualNetwork, snapshot: Snapshot) -> tuple[Tensor, Tensor]:
    """`logits` in evaluation and in training mode."""
    return logits(network, snapshot, training=False), logits(network, snapshot, training=True)


def accuracies(found: tuple[Tensor, Tensor], snapshot: Snapshot) -> dict[str, float]:
    """Shares of the test images classified correctly by the logits of `of_test_images`."""
    labels = snapshot.data.test_labels
    names = ("test_accuracy", "batch_accuracy")
    return {name: float((each.argmax(1) == labels).double().mean()) for name, each in zip(names, found, strict=True)}


def largest(values: Tensor) -> float:
    """The largest absolute value; NaN where one is."""
    return float(values.abs().max())


def root_mean_square(values: Tensor) -> float:
    """Of all values."""
    return math.sqrt(float((values**2).mean()))


def fine_tune(network: ResidualNetwork, snapshot: Snapshot, rate: float, updates: int) -> bool:
    """Train the network itself further, by its recipe at a constant rate; returns whether it did not diverge."""
    recipe = snapshot.recipe.model_copy(update={"precision": "float32"})  # measurements are always strict
    steps = steps_per_epoch(snapshot.data, recipe.batch_size)
    network.to(memory_format=torch.channels_last)
    descent = Descent(network, snapshot.data.to(snapshot.device), recipe, snapshot.seed)
    descent.active.fill_(True)
    for update in range(updates):
        epoch, step = divmod(update, steps)
        if step == 0:
            descent.begin_epoch(epochs_after(recipe, snapshot.after) + epoch, rate)
            descent.step.zero_()
        descent.advance()
        if descent.diverged:
            return False
    return True
