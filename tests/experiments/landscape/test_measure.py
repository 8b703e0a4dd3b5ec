import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from repro.experiments.landscape import show
from repro.experiments.landscape.measure import along_step, measure, rate_at
from repro.experiments.landscape.settings import COLUMNS, COMMON, OWN, Settings
from repro.experiments.step_landscape.measure import losses_along_step
from repro.machine.errors import UserError
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.first_steps import trainee
from repro.training.snapshots import untrained
from tests.experiments.tables import THREE, keyed, measured, overflow, show_and_judge, snapshots
from tests.oracles import first_steps

NAME = "landscape"
SMALL = Settings(points=2)


class Quadratic(nn.Module):
    """A network whose cross-entropy is q(w) = w^T H w / 2 + 1 where every label is 0.

    Logits (z, 0) have the cross-entropy ln(1 + exp(-z)), which is q for z = -ln(exp(q) - 1).
    """

    def __init__(self, hessian: np.ndarray, start: np.ndarray) -> None:
        super().__init__()
        self.hessian = torch.tensor(hessian)
        self.weights = nn.Parameter(torch.tensor(start))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        q = self.weights @ self.hessian @ self.weights / 2 + 1
        z = -torch.log(torch.expm1(q))
        return torch.stack([z, torch.zeros_like(z)]).expand(len(images), 2)


def quadratic(hessian: np.ndarray, start: np.ndarray, lengths: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """`along_step` of the quadratic loss, and its gradient at the start."""
    network, images, labels = Quadratic(hessian, start), torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64)
    nn.functional.cross_entropy(network(images), labels).backward()
    return along_step(network, images, labels, lengths), hessian @ start


def test_on_a_quadratic_loss_all_is_known():
    factor = np.random.default_rng(0).standard_normal((4, 4))
    hessian, start = factor @ factor.T, np.array([0.3, -0.2, 0.1, 0.4])
    lengths = np.array([0.01, 0.05, 0.2])
    found, slope = quadratic(hessian, start, lengths)
    for length, row in zip(lengths, found.itertuples(), strict=True):
        moved = start - length * slope
        assert row.step_length == length
        assert row.loss == pytest.approx(moved @ hessian @ moved / 2 + 1, rel=1e-12)
        assert row.gradient_norm == pytest.approx(np.linalg.norm(slope))
        assert row.gradient_change == pytest.approx(length * np.linalg.norm(hessian @ slope))
    table = keyed(found.assign(steps=OWN, rate=0.1, loss_before=start @ hessian @ start / 2 + 1))
    (measures,) = show.measures(table).itertuples()
    # The curvature along the gradient, whatever the steps.
    assert measures.effective_beta == pytest.approx(np.linalg.norm(hessian @ slope) / np.linalg.norm(slope))
    assert measures.gradient_change == pytest.approx(0.2 * np.linalg.norm(hessian @ slope))
    assert measures.loss_range == pytest.approx(max(found["loss"]) - min(found["loss"]))


def test_of_equal_curvatures_beta_is_the_curvature():
    found, slope = quadratic(2.5 * np.eye(3), np.array([1.0, 0.0, 0.5]), np.array([0.1, 0.3]))
    beta = found["gradient_change"] / (found["step_length"] * np.linalg.norm(slope))
    assert beta.tolist() == pytest.approx([2.5, 2.5])


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_table_agrees_with_steps_written_out_in_double_precision(noise, normalisation):
    recipe = Recipe(depth=8, batch_size=8, normalisation=normalisation, learning_rate=0.02)
    snapshot = untrained(recipe, 1, noise)
    table = measure(snapshot, Settings(points=3, rate=0.1))
    assert list(table.columns) == list(COLUMNS)
    assert table["steps"].tolist() == [OWN] * 3 + [COMMON] * 3
    lengths = [0.5 * 0.02, math.sqrt(2) * 0.02, 4 * 0.02, 0.5 * 0.1, math.sqrt(2) * 0.1, 4 * 0.1]
    assert table["step_length"].tolist() == pytest.approx(lengths)
    assert table["rate"].tolist() == pytest.approx([0.02] * 3 + [0.1] * 3)
    network, (images, labels) = copy.deepcopy(snapshot.network).double(), snapshot.mini_batch()
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    slopes = first_steps.gradient(network, weights, images, labels)
    norm = math.sqrt(math.fsum(float((slope**2).sum()) for slope in slopes.values()))
    for row in table.itertuples():
        moved = {name: weights[name] - row.step_length * slopes[name] for name in weights}
        after = first_steps.gradient(network, moved, images, labels)
        change = math.sqrt(math.fsum(float(((after[name] - slopes[name]) ** 2).sum()) for name in slopes))
        before = first_steps.loss(network, weights, images, labels).item()
        assert row.loss_before == pytest.approx(before, rel=1e-5)
        assert row.loss == pytest.approx(first_steps.loss(network, moved, images, labels).item(), rel=1e-4)
        assert row.gradient_norm == pytest.approx(norm, rel=1e-4)
        assert row.gradient_change == pytest.approx(change, rel=1e-2)


@pytest.mark.parametrize("kind", [{}, {"normalisation": "batch_renormalisation"}, {"dropout": 0.3}])
def test_looking_leaves_no_trace_and_a_step_of_nothing_changes_nothing(noise, kind):
    snapshot = untrained(Recipe(depth=8, batch_size=8, learning_rate=1e-30, **kind), 0, noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    table = measure(snapshot, SMALL)
    assert all(torch.equal(before[name], tensor) for name, tensor in snapshot.network.state_dict().items())
    assert (table["loss"] == table["loss_before"]).all()
    assert (table["gradient_change"] == 0).all()
    assert (table["gradient_norm"] > 0).all()


def test_losses_are_those_of_figure_3(noise):
    snapshot = untrained(Recipe(depth=8, batch_size=8), 0, noise)
    trained, (images, labels) = trainee(snapshot), snapshot.mini_batch()
    trained.gradient(images, labels)
    table = measure(snapshot, SMALL)
    losses = losses_along_step(trained.network, images, labels, table["step_length"].to_numpy())
    assert table["loss"].to_numpy() == pytest.approx(losses, rel=1e-6)


def test_rates_are_those_of_the_moment(noise):
    recipe = Recipe(depth=8, batch_size=8, learning_rate=0.02, epochs=4)
    late = dataclasses.replace(untrained(recipe, 0, noise), after=0.5)
    table = measure(late, Settings(points=2, rate=0.3))
    assert table["rate"].tolist() == pytest.approx([0.002] * 2 + [0.03] * 2)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        moment = dataclasses.replace(late, after=share)
        assert rate_at(moment, 0.02) == pytest.approx(trainee(moment).learning_rate)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smallest": 4.0}, "smallest must be smaller than largest"),
        ({"rate": 0.0}, "rate should be greater than 0"),
        ({"points": 1}, "points should be greater than or equal to 2"),
        ({"after": [0.3]}, "networks are not kept after a share 0.3"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


def test_too_few_training_images_are_refused_in_one_sentence(noise):
    with pytest.raises(UserError, match="A mini-batch of 97 images cannot be drawn from 96 training images"):
        measure(untrained(Recipe(depth=8, batch_size=97), 0, noise), SMALL)


def test_whole_path(noise, tmp_path):
    table = measured(measure, Settings(points=2, rate=0.05), snapshots(noise, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 2 * 2 * 2
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes(noise, tmp_path):
    table = measured(measure, SMALL, snapshots(noise, THREE, seeds=1))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 3
    assert set(verdicts["because"]) == {"it takes one recipe with BN and one without"}


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, seeds=1, after=(0.0, 0.5))
    overflow(networks)
    table = measured(measure, SMALL, networks)
    finite = np.isfinite(table["loss"]).groupby(table["normalisation"]).all()
    assert finite.to_dict() == {"batch": True, "none": False}
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert (verdicts["verdict"] == "undecided").all()
