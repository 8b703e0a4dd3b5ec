import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from repro.experiments.covariate_shift import show
from repro.experiments.covariate_shift.measure import gradient_shifts, layers_of, measure
from repro.experiments.covariate_shift.settings import COLUMNS, Settings
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots
from tests.instruments.test_layer_inputs import names_before
from tests.oracles import channels, first_steps

NAME = "covariate_shift"
SMALL = Settings(images=12)


def double_inputs(snapshot: Snapshot, layers: range, images: torch.Tensor) -> dict[int, np.ndarray]:
    """What the layers receive in one pass in float64, kept by hooks."""
    made, found = copy.deepcopy(snapshot.network).double(), {}
    for layer in layers:
        made.layer(layer).register_forward_pre_hook(
            lambda _, arguments, layer=layer: found.__setitem__(layer, arguments[0].detach().numpy())
        )
    made(images.double())
    return found


def test_moments_are_those_of_loops_in_double_precision(noise):
    for snapshot in snapshots(noise, seeds=1):
        table = measure(snapshot, SMALL)
        assert list(table.columns) == list(COLUMNS)
        inputs = double_inputs(snapshot, range(2, 9), snapshot.mini_batch(12)[0])
        assert table.groupby("layer")["channel"].max().tolist() == [15, 15, 15, 31, 31, 63, 63]
        for row in table[table["channel"].isin([0, 7])].itertuples():
            received = inputs[row.layer]
            received = received.reshape(*received.shape, *[1] * (4 - received.ndim))
            mean, variance = channels.moments(received, row.channel)
            assert row.mean == pytest.approx(mean, rel=1e-4, abs=1e-6)
            assert row.standard_deviation == pytest.approx(math.sqrt(variance), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_gradient_shifts_are_those_written_out_in_double_precision(noise, normalisation):
    recipe = Recipe(depth=8, batch_size=8, normalisation=normalisation, learning_rate=0.05)
    snapshot = untrained(recipe, 1, noise)
    table = measure(snapshot, SMALL).drop_duplicates("layer").set_index("layer")
    assert (table["learning_rate"] == 0.05).all()
    network, (images, labels) = copy.deepcopy(snapshot.network).double(), snapshot.mini_batch()
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    slopes = first_steps.gradient(network, weights, images, labels)
    for layer in range(2, 9):
        (own,) = [f"{name}.weight" for name, module in network.named_modules() if module is network.layer(layer)]
        moved = {
            name: weight - 0.05 * slopes[name] if name in names_before(layer) else weight
            for name, weight in weights.items()
        }
        before, after = slopes[own].flatten(), first_steps.gradient(network, moved, images, labels)[own].flatten()
        row = table.loc[layer]
        assert row["gradient_norm"] == pytest.approx(math.sqrt(sum(float(one) ** 2 for one in before)), rel=1e-4)
        change = math.sqrt(sum(float(one - other) ** 2 for one, other in zip(before, after, strict=True)))
        assert row["gradient_change"] == pytest.approx(change, rel=1e-3)
        cosine = float(before @ after) / math.sqrt(float(before @ before) * float(after @ after))
        assert row["cosine_gap"] == pytest.approx(1 - cosine, rel=1e-2, abs=1e-12)


class TwoLinear(nn.Module):
    """Logits W2 W1 x."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(2, 2, bias=False) for _ in range(2))
        self.first.weight.data, self.second.weight.data = torch.tensor(first), torch.tensor(second)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(inputs))

    def layer(self, number: int) -> nn.Module:
        return (self.first, self.second)[number - 1]


def test_of_two_linear_layers_the_shift_is_that_by_hand():
    first, second = np.array([[1.0, 0.5], [-0.5, 2.0]]), np.array([[0.3, -1.0], [1.0, 0.7]])
    inputs, labels, rate = np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.3]]), np.array([0, 1, 1]), 0.3

    def errors(weights: np.ndarray) -> np.ndarray:
        """dL/dlogits: (softmax - one-hot) / N."""
        logits = inputs @ weights.T @ second.T
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return (shares - np.eye(2)[labels]) / 3

    gradient_of_first = second.T @ errors(first).T @ inputs
    moved = first - rate * gradient_of_first
    before, after = errors(first).T @ (inputs @ first.T), errors(moved).T @ (inputs @ moved.T)
    network = TwoLinear(first, second)
    found = gradient_shifts(network, torch.tensor(inputs), torch.tensor(labels), [1, 2], rate)
    assert found[2].norm == pytest.approx(np.linalg.norm(before))
    assert found[2].change == pytest.approx(np.linalg.norm(before - after))
    cosine = (before * after).sum() / np.linalg.norm(before) / np.linalg.norm(after)
    assert found[2].cosine_gap == pytest.approx(1 - cosine)
    assert found[2].change > 0.01
    # Nothing is before the first layer.
    assert (found[1].change, found[1].cosine_gap) == (0, 0)
    assert found[1].norm == pytest.approx(np.linalg.norm(gradient_of_first))
    assert np.array_equal(network.first.weight.detach().numpy(), first)


@pytest.mark.parametrize("kind", [{}, {"normalisation": "batch_renormalisation"}, {"dropout": 0.3}])
def test_a_rate_of_nearly_nothing_changes_nothing_and_looking_leaves_no_trace(noise, kind):
    snapshot = untrained(Recipe(depth=8, batch_size=8, learning_rate=1e-30, **kind), 0, noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    table = measure(snapshot, SMALL)
    assert all(torch.equal(before[name], tensor) for name, tensor in snapshot.network.state_dict().items())
    assert (table["gradient_change"] == 0).all()
    assert (table["gradient_norm"] > 0).all()
    pd.testing.assert_frame_equal(table, measure(snapshot, SMALL))


def test_the_rate_is_that_of_the_moment_and_images_those_of_the_seed(noise):
    recipe = Recipe(depth=8, batch_size=8, learning_rate=0.1, epochs=4)
    early, late = (dataclasses.replace(untrained(recipe, 0, noise), after=share) for share in (0.25, 0.5))
    assert measure(early, SMALL)["learning_rate"].iloc[0] == pytest.approx(0.1)
    assert measure(late, SMALL)["learning_rate"].iloc[0] == pytest.approx(0.01)
    # The inputs of equal networks do not drift.
    assert measure(early, SMALL)["mean"].equals(measure(late, SMALL)["mean"])


def test_layers_are_all_of_small_networks_and_about_ten_of_large_ones():
    assert layers_of(Settings(), 20) == list(range(2, 21))
    assert layers_of(Settings(), 110) == [2, 15, 26, 39, 50, 63, 74, 87, 98, 109, 110]
    for depth in (26, 32, 56):
        chosen = layers_of(Settings(), depth)
        assert 8 <= len(chosen) <= 11
        assert (chosen[0], chosen[-1]) == (2, depth)
        assert {layer % 2 for layer in chosen[1:-2]} == {0, 1}
    assert layers_of(Settings(layers=[7, 3]), 8) == [3, 7]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": [1, 2]}, "layers.0 should be greater than or equal to 2"),
        ({"layers": [3, 3]}, "layers: 3 is listed more than once; keep one"),
        ({"layers": []}, "layers should have at least 1"),
        ({"layers": [111]}, "layer 111 is not a convolution"),
        ({"images": 1}, "images should be greater than or equal to 2"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


def test_too_few_training_images_are_refused_in_one_sentence(noise):
    with pytest.raises(UserError, match="The 512 images for covariate_shift cannot be drawn from 96 training images"):
        measure(untrained(Recipe(depth=8, batch_size=8), 0, noise), Settings())


def in_training(networks: list[Snapshot]) -> list[Snapshot]:
    """Those that are called trained after a real step of plain gradient descent."""
    for snapshot in networks:
        if snapshot.after > 0:
            trained = trainee(snapshot)
            trained.gradient(*snapshot.mini_batch())
            trained.optimiser.step()
            snapshot.network.load_state_dict(trained.network.state_dict())
    return networks


def test_whole_path(noise, tmp_path):
    networks = in_training(snapshots(noise, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, measured(measure, SMALL, networks), tmp_path)
    assert len(summary) == 2 * 2
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes(noise, tmp_path):
    networks = in_training(snapshots(noise, THREE, seeds=1, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, measured(measure, Settings(images=12, layers=[3, 4]), networks), tmp_path)
    assert len(summary) == 6
    assert set(verdicts["because"]) == {"it takes one recipe with BN and one without"}


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, seeds=2, after=(0.0, 0.5))
    overflow(networks)
    table = measured(measure, Settings(images=12, layers=[2, 5]), networks)
    found = show.shifts(table)
    finite = np.isfinite(found["gradient_change"]).groupby(found["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert (verdicts["verdict"] == "undecided").all()
