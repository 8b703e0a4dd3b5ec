"""What every measurement at initialisation begins with: pairs of networks that differ in their normalisation alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from repro import datasets, devices
from repro.config import Configuration, Initialisation
from repro.networks import ResidualNetwork
from repro.progress import track


@dataclass(frozen=True)
class Subject:
    """An untrained network in training mode and the mini-batch it sees."""

    normalisation: Literal["batch", "none"]
    seed: int
    network: ResidualNetwork
    images: Tensor  # float32 (batch, 3, y, x), normalised, not augmented
    labels: Tensor  # int64 (batch,)


def subjects(configuration: Configuration, seeds: int) -> Iterator[Subject]:
    """For each seed the network with and the one without batch normalisation: same weights, same mini-batch."""
    device = devices.prepare(configuration.device)
    data = datasets.load(configuration.data)
    pairs: list[tuple[int, Literal["batch", "none"]]] = [
        (seed, normalisation) for seed in range(seeds) for normalisation in ("batch", "none")
    ]
    for seed, normalisation in track(pairs, "networks at initialisation"):
        images, labels = datasets.mini_batch(data, configuration.batch_size, seed)
        network = ResidualNetwork(configuration.network, normalisation, len(data.class_names), seed)
        yield Subject(normalisation, seed, network.to(device).train(), images.to(device), labels.to(device))


def with_each_initialisation(
    configuration: Configuration, initialisations: list[Initialisation], seeds: int
) -> Iterator[tuple[Initialisation, Subject]]:
    """`subjects` once for each initialisation, which takes the place of the configured one."""
    for initialisation in initialisations:
        network = configuration.network.model_copy(update={"initialisation": initialisation})
        for subject in subjects(configuration.model_copy(update={"network": network}), seeds):
            yield initialisation, subject
