"""The first 20 mini-batch losses of a fixed recipe, kept from when they were checked: a change of the recipe shows.

In float64 they are the same on every machine; in float32 each environment has its own last digits.
`python -m tests.training.test_golden_losses` adds those of the environment it runs in.
"""

import json
import platform
from pathlib import Path

import pytest
import torch

from repro.machine import devices
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.descent import Descent
from tests.conftest import random_images

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 20
RECIPES = {
    "batch": Recipe(depth=8, batch_size=16, learning_rate=0.003),
    "none": Recipe(depth=8, batch_size=16, learning_rate=0.01, normalisation="none"),
    "final": Recipe(depth=8, batch_size=16, learning_rate=0.03, place="final"),
}


def losses(recipe: Recipe, dtype: torch.dtype) -> list[float]:
    """Losses of 20 steps over several epochs, batch 16, with augmentation, momentum and weight decay."""
    devices.prepare("cpu")
    torch.set_num_threads(1)
    data = random_images()
    network = ResidualNetwork(recipe, 4, seed=0)
    descent = Descent(network.to(dtype, memory_format=torch.channels_last), data, recipe, seed=0)
    descent.active.fill_(True)
    found = []
    for step in range(STEPS):
        epoch, place = divmod(step, len(data.train_images) // 16)
        if place == 0:
            descent.step.zero_()
            descent.begin_epoch(epoch, recipe.learning_rate)
        before = descent.loss_sum.item()
        descent.advance()
        found.append(descent.loss_sum.item() - before)
    return found


def fingerprint() -> str:
    """What decides the last digits on a CPU, as far as it can be named."""
    with Path("/proc/cpuinfo").open() as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {model}, {capability}, torch {torch.__version__}, 1 thread, float32"


@pytest.mark.parametrize("name", RECIPES)
def test_losses_in_double_precision_are_those_kept(name):
    kept = json.loads(GOLDEN.read_text())["float64"][name]
    assert losses(RECIPES[name], torch.float64) == pytest.approx(kept, rel=1e-9)


@pytest.mark.parametrize("name", RECIPES)
def test_losses_in_single_precision_are_those_kept_for_this_environment(name):
    kept = json.loads(GOLDEN.read_text())
    found = losses(RECIPES[name], torch.float32)
    assert found == pytest.approx(kept["float64"][name], rel=1e-4)
    try:
        environment = fingerprint()
    except OSError:
        environment = "not Linux"
    if environment in kept:
        assert found == pytest.approx(kept[environment][name], rel=1e-5)


if __name__ == "__main__":
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    golden["float64"] = {name: losses(recipe, torch.float64) for name, recipe in RECIPES.items()}
    golden[fingerprint()] = {name: losses(recipe, torch.float32) for name, recipe in RECIPES.items()}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
