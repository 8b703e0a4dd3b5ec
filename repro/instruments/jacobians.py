"""The derivative of what a network computes with respect to its input image, known by its products only.

J v and J' u follow from two backward passes through one recorded forward pass, with the normalisation's statistics
held fixed; J, with up to 16384 x 3072 entries, is never built.
"""

import copy

import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from repro.networks.residual import ResidualNetwork


def with_fixed_statistics(network: ResidualNetwork, images: Tensor) -> ResidualNetwork:
    """A copy in float64 whose batch normalisation uses mean and variance of `images`, as in training, for any image.

    `images`: float32 (batch, 3, y, x). One image's own influence on the statistics, of order 1/batch, is left out: the
    map is that of an image among many. The variance is PyTorch's running one, n/(n - 1) times that of the batch.
    Layers that normalise each image by itself have no such statistics: the map is then not linear between kinks.
    """
    fixed = copy.deepcopy(network).double().train()
    for module in fixed.modules():
        if hasattr(module, "momentum"):  # of the kinds that keep running averages
            module.momentum = 1.0  # type: ignore[assignment]
    with torch.no_grad():
        fixed(images.double())
    for parameter in fixed.parameters():
        parameter.requires_grad_(False)
    return fixed.eval()


def state_after(network: ResidualNetwork, images: Tensor, layer: int) -> Tensor:
    """What the network hands on after `layer`: the output of layer 1's or of a block's last activation, or the logits.

    `layer` is 1, the second layer of a block (3, 5, ...), or the network's depth. Raises `ValueError` for another,
    where a block's shortcut still lies beside the layer.
    """
    if layer == network.depth:
        logits: Tensor = network(images)
        return logits
    if layer % 2 == 0 or not 1 <= layer < network.depth:
        raise ValueError(f"the state of the network is defined after layers 1, 3, 5, ... and the last, not {layer}")
    activations = network.stem(images)
    for block in network.blocks[: (layer - 1) // 2]:
        activations = block(activations)
    return activations


def jacobian(network: ResidualNetwork, image: Tensor, layer: int) -> LinearOperator:
    """J[i, j] = d state_i / d image_j, flattened, as an operator with products J v and J' u in float64.

    Args:
        network: in evaluation mode, in float64, as from `with_fixed_statistics`.
        image: (3, y, x).
        layer: where the map ends, as in `state_after`.

    Returns:
        (entries of the state, 3 y x) `LinearOperator`. J v is the derivative of u -> (J' u) v, which is linear in u:
        automatic differentiation applied twice.
    """
    point = image.double()[None].requires_grad_()
    state = state_after(network, point, layer)
    # J' u as a function of u, recorded once; u's value does not matter where the function is linear in it.
    # For a ResNet-110 on one CPU thread `torch.func.jvp`, which repeats the forward pass, takes 1.3 times as long for
    # J v with batch normalisation and 0.7 times without; `torch.func.linearize` a third, but seconds to begin with.
    direction = torch.zeros_like(state, requires_grad=True)
    (pulled,) = torch.autograd.grad(state, point, direction, create_graph=True)

    def product(vector: object) -> object:
        tangent = torch.as_tensor(vector, dtype=torch.float64).reshape(point.shape).to(point.device)
        (result,) = torch.autograd.grad(pulled, direction, tangent, retain_graph=True)
        return result.flatten().cpu().numpy()

    def transposed_product(vector: object) -> object:
        cotangent = torch.as_tensor(vector, dtype=torch.float64).reshape(state.shape).to(point.device)
        (result,) = torch.autograd.grad(state, point, cotangent, retain_graph=True)
        return result.flatten().cpu().numpy()

    shape = (state.numel(), point.numel())
    return LinearOperator(shape, matvec=product, rmatvec=transposed_product, dtype=float)
