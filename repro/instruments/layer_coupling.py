"""How much a step of one layer changes the gradients of the others."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def layer_coupling(loss: Callable[[], Tensor], weights: Sequence[nn.Parameter], rate: float) -> Tensor:
    """c_ij = |G_i(W_j - rate G_j) - G_i| / |G_i|: the change of layer i's gradient by a step of layer j alone.

    G_i = dL/dW_i, L the scalar of `loss`, a function of the parameters `weights` as they are. Returns float64 (i, j);
    norms in float64 from gradients of the weights' own precision; NaN or infinite where a gradient is zero or not
    finite. The weights are put back.
    """
    before = torch.autograd.grad(loss(), weights)
    norms = torch.stack([gradient.double().norm() for gradient in before])
    columns = []
    for moved, step in zip(weights, before, strict=True):
        kept = moved.detach().clone()
        with torch.no_grad():
            moved.sub_(rate * step)
        after = torch.autograd.grad(loss(), weights)
        with torch.no_grad():
            moved.copy_(kept)
        changes = [(new.double() - old.double()).norm() for new, old in zip(after, before, strict=True)]
        columns.append(torch.stack(changes) / norms)
    return torch.stack(columns, dim=1).cpu()
