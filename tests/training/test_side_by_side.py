"""The captured graph against the same steps one after the other; needs a GPU."""

import contextlib
from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch

from repro.machine import devices
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.settings.configuration import MOST_AT_ONCE
from repro.settings.recipe import Recipe
from repro.settings.types import kinds
from repro.training.descent import Descent
from repro.training.side_by_side import MOST_QUEUED, capture, in_turn, keeping_up, side_by_side

RECIPES = [  # the second diverges
    Recipe(depth=20, batch_size=16, learning_rate=0.1),
    Recipe(depth=20, batch_size=16, learning_rate=100.0, normalisation="none"),
    Recipe(depth=20, batch_size=16, learning_rate=0.003, normalisation="none", dropout=0.2),
    Recipe(depth=20, batch_size=16, learning_rate=0.03, place="final"),
]
# And every other kind; batch renormalisation with limits that open within the six steps.
RECIPES += [
    Recipe(depth=8, batch_size=16, learning_rate=0.01, normalisation=kind, renormalisation_start=1)
    for kind in kinds("normalisation")
    if kind not in ("batch", "none")
]


def test_in_turn_runs_every_step_once():
    said: list[int] = []
    step = side_by_side([lambda number=number: said.append(number) for number in range(3)], torch.device("cpu"))
    step()
    assert said == [0, 1, 2]


class PretendedStream:
    """Knows in which order streams waited for each other."""

    waits: ClassVar[list[tuple["PretendedStream", "PretendedStream"]]] = []

    def wait_stream(self, other: "PretendedStream") -> None:
        self.waits.append((self, other))


@contextlib.contextmanager
def capture_that_cannot_end(*_, **__) -> Iterator[None]:
    try:
        yield
    finally:
        raise RuntimeError("operation failed due to a previous error during capture")


def pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    PretendedStream.waits.clear()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "Stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "current_stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", capture_that_cannot_end)


@pytest.mark.parametrize("first_failure", [1, 7])  # in the first warm-up, and in the capture itself
def test_too_little_memory_is_one_sentence_and_leaves_no_branch_open(monkeypatch, first_failure):
    calls = 0

    def step() -> None:
        nonlocal calls
        calls += 1
        if calls >= first_failure:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB.")

    pretend_cuda(monkeypatch)
    with pytest.raises(UserError, match=r"2 networks side by side do not fit .*networks_at_once"):
        capture([step, step])
    (trunk, _), *forks_and_joins = PretendedStream.waits
    forks = [branch for branch, other in forks_and_joins if other is trunk]
    joins = [branch for stream, branch in forks_and_joins if stream is trunk]
    assert len(forks) == (2 if first_failure == 1 else 8)
    assert forks == joins


def test_the_host_waits_for_what_it_has_queued():
    """A request to stop is looked for after each step: it is answered once the device has made 50 at most."""
    queued: list[int] = []
    longest = 0
    step = keeping_up(lambda: queued.append(1), queued.clear, 50)
    for _ in range(390):
        step()
        longest = max(longest, len(queued))
    assert longest == 49
    assert len(queued) == 390 % 50


def test_what_is_captured_is_waited_for(monkeypatch):
    said: list[str] = []

    class Graph:
        def replay(self) -> None:
            said.append("replay")

    pretend_cuda(monkeypatch)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("wait"))
    step = capture([lambda: None, lambda: None])
    said.clear()  # what was before the capture
    for _ in range(MOST_QUEUED + 1):
        step()
    assert said == ["replay"] * MOST_QUEUED + ["wait", "replay"]


def descents(data, dtype=torch.float32, precision="float32") -> list[Descent]:
    device = devices.prepare("cuda", precision)
    made = []
    for seed, recipe in enumerate(RECIPES):
        network = ResidualNetwork(recipe, 4, seed)
        network = network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        descent = Descent(network, data.to(device), recipe.model_copy(update={"precision": precision}), seed)
        descent.begin_epoch(0, recipe.learning_rate)
        made.append(descent)
    return made


def ended(made: list[Descent], advance, evaluate) -> list[dict[str, torch.Tensor]]:
    for descent in made:
        descent.active.fill_(True)
    for _ in range(6):
        advance()
    for _ in range(2):
        evaluate()
    torch.cuda.synchronize()
    assert [number for number, descent in enumerate(made) if descent.diverged] == [1]
    found = [{name: value for name, value in vars(d).items() if isinstance(value, torch.Tensor)} for d in made]
    for tensors, descent in zip(found, made, strict=True):
        tensors |= {f"buffers {number}": buffer for number, buffer in enumerate(descent.buffers)}
    return found


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, "float32"), (torch.float32, "bfloat16")])
def test_captured_steps_end_like_the_same_steps_in_turn(noise, dtype, precision):
    captured = descents(noise, dtype, precision)
    advance, evaluate = capture([d.advance for d in captured]), capture([d.evaluate for d in captured])
    assert all(descent.step == descent.tested == 0 for descent in captured)  # capturing changes nothing
    expected = descents(noise, dtype, precision)
    expected = ended(expected, in_turn([d.advance for d in expected]), in_turn([d.evaluate for d in expected]))
    tolerance = 1e-9 if dtype == torch.float64 else 1e-2
    for ours, theirs in zip(ended(captured, advance, evaluate), expected, strict=True):
        for name in theirs:
            torch.testing.assert_close(ours[name], theirs[name], rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_networks_side_by_side_end_bit_for_bit_like_networks_alone(noise, precision):
    made = descents(noise, precision=precision)
    together = ended(made, capture([d.advance for d in made]), capture([d.evaluate for d in made]))
    for number, expected in enumerate(together):
        alone = descents(noise, precision=precision)[number]
        advance, evaluate = capture([alone.advance]), capture([alone.evaluate])
        alone.active.fill_(True)
        for _ in range(6):
            advance()
        evaluate()
        torch.cuda.synchronize()
        assert torch.equal(alone.parameters, expected["parameters"])
        for place, buffer in enumerate(alone.buffers):
            assert torch.equal(buffer, expected[f"buffers {place}"])


@pytest.mark.gpu
def test_every_network_at_once_has_a_stream_of_its_own():
    streams = [torch.cuda.Stream() for _ in range(MOST_AT_ONCE + 1)]  # and the trunk
    assert len({stream.cuda_stream for stream in streams}) == len(streams)


@pytest.mark.gpu
def test_the_device_agrees_with_the_processor_in_double_precision(noise):
    made = descents(noise, torch.float64)[:1]
    advance = capture([made[0].advance])
    slow = Descent(ResidualNetwork(RECIPES[0], 4, 0).double(), noise, RECIPES[0], 0)
    slow.begin_epoch(0, 0.1)
    for descent in (made[0], slow):
        descent.active.fill_(True)
    for _ in range(6):
        advance()
        slow.advance()
    assert made[0].loss_sum.item() == pytest.approx(slow.loss_sum.item(), rel=1e-9)
    torch.testing.assert_close(made[0].parameters.cpu(), slow.parameters, rtol=1e-7, atol=1e-9)
