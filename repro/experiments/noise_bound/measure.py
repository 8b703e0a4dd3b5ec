"""The distances of mini-batch gradients from the gradient of the set of images that they are drawn from."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from repro.experiments.noise_bound.settings import COLUMNS, WITH, WITHOUT, Settings
from repro.instruments import gradient_noise
from repro.machine.errors import UserError
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """Mean over draws of |g_B - g|^2 for each size b and way of drawing, one row each; the columns are `COLUMNS`.

    The set are the first N images of the order in which the seed draws mini-batches, not augmented, so that what is
    drawn is the only source of noise. g_B and g are gradients of a mean loss in training mode, by one and the same
    passage of a mini-batch or of the whole set. Without batch normalisation g is then the mean of the examples'
    gradients and E g_B = g. With it the loss of a set is no sum over its examples: g is the gradient of one large
    mini-batch, the limit b = N of training, and the mean of g_B may lie elsewhere. `noise` is about g all the same, as
    in the paper's derivation, and `bias` says how much of it that displacement is.

    Raises `UserError` when there are fewer than N training images.
    """
    count = len(snapshot.data.train_images)
    if settings.images > count:
        raise UserError(
            f"The set of {settings.images} images for noise_bound cannot be drawn from {count} training images; lower "
            "experiments.noise_bound.images or raise images.train_images."
        )
    network, (images, labels) = snapshot.network, snapshot.mini_batch(settings.images)
    full = gradient_noise.gradient(network, images, labels)
    variance = float("nan")
    if gradient_noise.examples_are_independent(network, images[:2]):
        variance = gradient_noise.example_variance(network, images, labels)

    def gradients(chosen: Iterator[Tensor]) -> Iterator[Tensor]:
        return (gradient_noise.gradient(network, images[places], labels[places]) for places in chosen)

    rows = []
    for size in settings.batch_sizes:
        for drawing in (WITHOUT, WITH):
            chosen = mini_batches(settings.images, size, drawing == WITH, settings.draws, snapshot.seed)
            found = gradient_noise.about(full, gradients(chosen))
            about = (settings.images, size, drawing, settings.draws, found.mean, found.standard_error, found.bias)
            rows.append((*about, variance, float(full @ full)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def mini_batches(images: int, size: int, replacement: bool, draws: int, seed: int) -> Iterator[Tensor]:
    """Which of `images` examples are in each of `draws` mini-batches, int64 (size,), every choice equally likely.

    What is drawn follows from the arguments but `draws`: other sizes beside it, or more draws, change nothing. Each
    mini-batch is drawn anew, not what another left over.
    """
    generator = np.random.default_rng([seed, images, size, int(replacement)])
    for _ in range(draws):
        yield torch.from_numpy(generator.choice(images, size, replace=replacement))
