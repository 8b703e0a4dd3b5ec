"""How far the gradients of mini-batches lie from the gradient of the set that they are drawn from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# Logits of one image, alone and beside others, agree to rounding where the others do not matter: a ResNet-110's
# float32 rounding is of the order 1e-5, and batch normalisation changes them by about their own size.
SAME = 1e-3


@dataclass(frozen=True)
class Noise:
    """Of D mini-batch gradients g_B about the full gradient g: mean squared distance, its standard error, and bias.

    `mean` is (1/D) sum |g_B - g|^2 over the draws and `standard_error` that of this mean (divided by D - 1 and by D).
    `bias` estimates |E g_B - g|^2 without bias, so that it scatters about 0 where E g_B = g, and may be negative.
    """

    mean: float
    standard_error: float
    bias: float


def gradient(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """dL/dw of the mini-batch's mean cross-entropy L, over all parameters w.

    The network runs in the mode it is in: in training mode batch normalisation uses the statistics of `images`, and
    the derivative is taken through them. `images` float (batch, 3, y, x), `labels` int64 (batch,). Returns float64
    (parameters,), in the network's order of them; what was computed in float32 is as exact as that. Parameters keep no
    gradients.
    """
    parameters = list(network.parameters())
    loss = functional.cross_entropy(network(images), labels)
    return torch.cat([part.flatten().double() for part in torch.autograd.grad(loss, parameters)])


def examples_are_independent(network: nn.Module, images: Tensor) -> bool:
    """Whether an image's logits do not depend on the others of its mini-batch, found by trying the last of `images`.

    Only then is a mini-batch's gradient the mean of its examples' gradients. Not so with batch normalisation in
    training mode, nor with dropout, whose mask follows from an image's place. Logits that are not finite depend on
    nothing that could be seen. `images` float (batch, 3, y, x), at least two.
    """
    with torch.no_grad():
        together, alone = network(images)[-1], network(images[-1:])[0]
    if not torch.isfinite(alone).all():
        return True
    return bool((together - alone).abs().max() <= SAME * alone.abs().max())


def example_variance(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """C = (1/N) sum over i of |g_i - g|^2, g_i the gradient of example i and g = (1/N) sum g_i, over all parameters.

    For networks whose `examples_are_independent`. One example after another, which needs the memory of three gradients
    and works whatever layers a network has (the grouped convolutions of `torch.func.vmap` would need N of them), by
    Welford's recurrence (1962) in float64, as differences of large squares would cancel. Arguments as of `gradient`.
    """
    mean = torch.zeros((), dtype=torch.float64, device=images.device)
    total = 0.0
    for number in range(len(images)):
        own = gradient(network, images[number : number + 1], labels[number : number + 1])
        before = own - mean
        mean = mean + before / (number + 1)
        total += float(before @ (own - mean))
    return total / len(images)


def about(full: Tensor, gradients: Iterable[Tensor]) -> Noise:
    """`Noise` of mini-batch gradients, each float64 (parameters,), about the full one; at least two.

    With m the mean over draws of d_B = g_B - g, the bias is (D |m|^2 - (1/D) sum |d_B|^2) / (D - 1), as
    E |m|^2 = |E d|^2 + (E |d|^2 - |E d|^2) / D. Raises `ValueError` for fewer than two gradients.
    """
    distances: list[float] = []
    mean = torch.zeros_like(full)
    for each in gradients:
        difference = each - full
        distances.append(float(difference @ difference))
        mean += (difference - mean) / len(distances)
    draws = len(distances)
    if draws < 2:
        raise ValueError(f"the noise of a gradient takes at least two mini-batches, not {draws}")
    noise = math.fsum(distances) / draws
    variance = math.fsum((distance - noise) ** 2 for distance in distances) / (draws - 1)
    return Noise(noise, math.sqrt(variance / draws), (draws * float(mean @ mean) - noise) / (draws - 1))


def expected(variance: float, images: int, batch_size: int, replacement: bool) -> float:
    """E |g_B - g|^2 where g_B is the mean of the gradients of b examples drawn at random from N, with variance C.

    C / b with replacement, else (N - b) / (b (N - 1)) C = (N - b) / (b N) C' with C' = N C / (N - 1). `variance`: C as
    of `example_variance`. Paper, Section 3.1 and Appendix D, where C / b bounds both.
    """
    return variance / batch_size * (1.0 if replacement else (images - batch_size) / (images - 1))
