"""Stochastic gradient descent of one network as tensor operations alone.

No step reads a value back to the host: what happens next - an update, or no more updates after divergence - is
decided by masks. So a step can be captured in a CUDA graph and replayed beside those of other networks, and is the
same arithmetic on every device.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from repro.images import batches
from repro.images.data import ImageData, normalise
from repro.networks import dropout
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe

EVALUATION_BATCH = 500
# A loss above both ends a network as diverged: ln(classes) is 2.3, and a network that has come that far never returns.
DIVERGENCE_LOSS = 1e3  # nats
DIVERGENCE_FACTOR = 10  # times the first mini-batch's loss: a deep network without BN may begin above the threshold


class Descent:
    """SGD with momentum and weight decay on the mean cross-entropy L of mini-batches.

    v <- momentum v + (grad L + weight_decay w), w <- w - learning_rate v, in the order of the epoch's plan. A loss
    that is not finite, or above both 1000 and ten times the first one, is the last: `diverged` becomes
    true and nothing changes any more. `data` holds the images on the network's device; nothing happens unless
    `active`. Precision `bfloat16` computes activations and their gradients in bfloat16; weights, their gradients'
    sum and the update stay in the weights' own precision. Dropout's masks follow from (seed, epoch, step). `layout`
    is that of images and weights in memory.
    """

    def __init__(
        self,
        network: ResidualNetwork,
        data: ImageData,
        recipe: Recipe,
        seed: int,
        layout: torch.memory_format = torch.channels_last,
    ) -> None:
        if recipe.precision == "fastest":
            raise ValueError("the fastest precision is that of a device: Recipe.resolved")
        self.network = network
        self.data = data
        self.recipe = recipe
        self.seed = seed
        self.layout = layout
        self._weights = list(network.parameters())
        device, dtype = self._weights[0].device, self._weights[0].dtype
        # One tensor each, of which the network's own are views: an update is a few operations, not hundreds.
        self.parameters = _flatten(self._weights, layout)
        self.velocity = torch.zeros_like(self.parameters)
        # Every buffer of every layer, like running averages, flat by type.
        buffers: dict[torch.dtype, list[Tensor]] = {}
        for buffer in network.buffers():
            buffers.setdefault(buffer.dtype, []).append(buffer)
        self.buffers = [_flatten(group, layout) for group in buffers.values()]
        self._dropouts = [module for module in network.modules() if isinstance(module, dropout.Dropout)]

        images = len(data.train_images)
        self.order = torch.zeros(images, dtype=torch.int64, device=device)
        self.offsets = torch.zeros(images, 2, dtype=torch.int64, device=device)
        self.flips = torch.zeros(images, dtype=torch.bool, device=device)
        self.learning_rate = torch.zeros((), dtype=dtype, device=device)
        self.active, self.diverged = (torch.zeros((), dtype=torch.bool, device=device) for _ in range(2))
        # Steps and, of mini-batches trained on in this epoch, images classified correctly; test images likewise.
        self.epoch, self.step, self.total_steps, self.correct, self.tested, self.test_correct = (
            torch.zeros((), dtype=torch.int64, device=device) for _ in range(6)
        )
        self.first_loss, self.loss_sum, self.gradient_norm_sum, self.test_loss_sum = (
            torch.zeros((), dtype=torch.float64, device=device) for _ in range(4)
        )

    def begin_epoch(self, epoch: int, learning_rate: float) -> None:
        """Follow the plan of (seed, epoch) with this rate from the next step on."""
        plan = batches.epoch_plan(len(self.order), self.seed, epoch)
        self.epoch.fill_(epoch)
        self.order.copy_(plan.order)
        self.offsets.copy_(plan.offsets)
        self.flips.copy_(plan.flips)
        self.learning_rate.fill_(learning_rate)

    def advance(self) -> None:
        """One update from the next mini-batch; nothing while not `active` or once `diverged`."""
        going = self.active & ~self.diverged
        images, labels = self._mini_batch()
        before = [buffer.clone() for buffer in self.buffers]
        self.network.train()
        if self._dropouts:
            key = dropout.key(self.seed, self.epoch, self.step)
            for layer in self._dropouts:
                layer.key = key
        logits = self._logits(images)
        loss = functional.cross_entropy(logits, labels)
        gradient = _flat(torch.autograd.grad(loss, self._weights), self.layout)

        value = loss.detach().double()
        self.first_loss.copy_(torch.where(going & (self.total_steps == 0), value, self.first_loss))
        limit = (DIVERGENCE_FACTOR * self.first_loss).clamp(min=DIVERGENCE_LOSS)
        bearable = value <= limit  # false also when the loss is not a number
        updated = going & bearable
        self.diverged.logical_or_(going & ~bearable)

        velocity = self.recipe.momentum * self.velocity + gradient + self.recipe.weight_decay * self.parameters
        self.velocity.copy_(torch.where(updated, velocity, self.velocity))
        self.parameters.copy_(torch.where(updated, self.parameters - self.learning_rate * velocity, self.parameters))
        for buffer, kept in zip(self.buffers, before, strict=True):
            buffer.copy_(torch.where(updated, buffer, kept))

        correct = (logits.detach().argmax(dim=1) == labels).sum()
        self.loss_sum.add_(torch.where(going, value, 0))
        self.gradient_norm_sum.add_(torch.where(updated, torch.linalg.vector_norm(gradient).double(), 0))
        self.correct.add_(torch.where(updated, correct, 0))
        self.step.add_(going)
        self.total_steps.add_(updated)

    @torch.no_grad()
    def evaluate(self) -> None:
        """Add the next test images to `test_loss_sum` and `test_correct`, with running averages, while `active`."""
        count = len(self.data.test_images)
        position = self.tested + torch.arange(min(EVALUATION_BATCH, count), device=self.tested.device)
        counted = self.active & (position < count)
        position = position.clamp(max=count - 1)
        self.network.eval()
        images = normalise(self.data.test_images[position], self.data)
        labels = self.data.test_labels[position]
        logits = self._logits(images)
        losses = functional.cross_entropy(logits, labels, reduction="none").double()
        self.test_loss_sum.add_(torch.where(counted, losses, 0).sum())
        self.test_correct.add_((counted & (logits.argmax(dim=1) == labels)).sum())
        self.tested.add_(counted.sum())

    def _mini_batch(self) -> tuple[Tensor, Tensor]:
        """Images, normalised, and labels of the next step; any images when the epoch is over."""
        place = self.step * self.recipe.batch_size + torch.arange(self.recipe.batch_size, device=self.step.device)
        place = place.clamp(max=len(self.order) - 1)
        chosen = self.order[place]
        images = self.data.train_images[chosen]
        if self.recipe.augmentation:
            images = batches.augment(images, self.offsets[chosen], self.flips[chosen])
        return normalise(images, self.data), self.data.train_labels[chosen]

    def _logits(self, images: Tensor) -> Tensor:
        """Logits in the weights' precision."""
        images = images.to(self.parameters.dtype).contiguous(memory_format=self.layout)
        reduced = self.recipe.precision == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=reduced, cache_enabled=False):
            logits: Tensor = self.network(images)
        return logits.to(self.parameters.dtype)


def _flatten(tensors: Sequence[Tensor], layout: torch.memory_format) -> Tensor:
    """Move tensors into one, of which they become views with this memory layout; returns that one."""
    if not tensors:
        return torch.zeros(0)
    flat = _flat(tensors, layout).detach().clone()
    start = 0
    for tensor in tensors:
        part = flat[start : start + tensor.numel()]
        start += tensor.numel()
        if tensor.dim() == 4 and layout == torch.channels_last:
            outputs, inputs, height, width = tensor.shape
            tensor.data = part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
        else:
            tensor.data = part.view(tensor.shape)
    return flat


def _flat(tensors: Iterable[Tensor], layout: torch.memory_format) -> Tensor:
    """Tensors one after the other, each as `layout` stores it: channels_last has a convolution's input channel last."""
    last = layout == torch.channels_last
    ordered = (tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 and last else tensor for tensor in tensors)
    return torch.cat([tensor.reshape(-1) for tensor in ordered])
