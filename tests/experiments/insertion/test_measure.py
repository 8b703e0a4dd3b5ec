import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from repro.experiments.insertion import measure as measuring
from repro.experiments.insertion.measure import fine_tune, measure, undo, with_normalisation
from repro.experiments.insertion.settings import (
    AFTER,
    BEFORE,
    COLUMNS,
    IDENTITY,
    ORIGINAL,
    STANDARDISED,
    VARIANTS,
    Settings,
)
from repro.images.data import ImageData, normalise
from repro.machine.errors import UserError
from repro.networks.residual import ResidualNetwork
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.training.first_steps import trainee
from repro.training.snapshots import Snapshot, untrained
from tests.experiments.tables import measured, overflow, show_and_judge, snapshots

NAME = "insertion"
KINDS = ({"normalisation": "none"}, {"normalisation": "none", "shortcut": "none"})
SMALL = Settings(updates=3, learning_rate=0.01)


def subject(data: ImageData, double: bool = False, updates: int = 6, **settings: object) -> Snapshot:
    """A network without BN after a few updates, in which a channel is dead and another nearly so."""
    recipe = Recipe(depth=8, batch_size=16, normalisation="none", learning_rate=0.05, epochs=2, **settings)
    snapshot = untrained(recipe, 1, data)
    trained = trainee(snapshot)
    for _ in range(updates):
        trained.gradient(*next(trained.batches))
        trained.optimiser.step()
    network = trained.network.to(memory_format=torch.contiguous_format)
    with torch.no_grad():
        network.blocks[1].convolution1.weight[3] = 0
        network.blocks[1].convolution1.weight[4] *= 1e-4
    return dataclasses.replace(snapshot, after=0.5, network=network.double() if double else network)


def normalised(activations: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Activations (image, channel, y, x) with the moments of each channel taken out."""
    return (activations - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)


def moments(activations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = activations.shape[1]
    values = [activations[:, channel].ravel() for channel in range(channels)]
    means = np.array([math.fsum(each) / len(each) for each in values])
    variances = [math.fsum((each - mean) ** 2) / len(each) for each, mean in zip(values, means, strict=True)]
    return means, np.array(variances)


def logits_by_hand(snapshot: Snapshot, training: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Logits of `images`, float64 (image, 3, y, x), of the network with BN (gamma 1, beta 0) everywhere.

    Layer by layer `training` goes along, whose moments are the population's; only the convolutions are PyTorch's.
    """
    network = snapshot.network

    def layer(convolution: nn.Module, *states: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            population, some = (convolution(torch.from_numpy(state)).numpy() for state in states)
        mean, variance = moments(population)
        return [normalised(each, mean, variance) for each in (population, some)]

    states = [np.maximum(state, 0) for state in layer(network.convolution1, training, images)]
    for block in network.blocks:
        inner = [np.maximum(state, 0) for state in layer(block.convolution1, *states)]
        branch = layer(block.convolution2, *inner)
        if not block.plain:
            if isinstance(block.shortcut, nn.Sequential):
                side = layer(block.shortcut[0], *states)
            else:  # the identity, or zeros for new channels: no convolution
                side = [block.shortcut(torch.from_numpy(state)).numpy() for state in states]
            branch = [one + other for one, other in zip(branch, side, strict=True)]
        states = [np.maximum(state, 0) for state in branch]
    pooled = states[1].mean(axis=(2, 3))
    return pooled @ network.classifier.weight.detach().numpy().T + network.classifier.bias.detach().numpy()


def of_test(snapshot: Snapshot) -> Tensor:
    return normalise(snapshot.data.test_images, snapshot.data)


@pytest.mark.parametrize("shortcut", ["B", "none"])
def test_gamma_and_beta_undo_it_to_rounding_also_of_dead_channels(noise, shortcut):
    for double, bound in ((False, 1e-5), (True, 1e-12)):
        snapshot = subject(noise, double, shortcut=shortcut)
        network = with_normalisation(snapshot, undo)
        images = of_test(snapshot).to(snapshot.network.classifier.weight.dtype)
        with torch.no_grad():
            before, after = snapshot.network.eval()(images), network.eval()(images)
        assert (before - after).abs().max() < bound * before.abs().max()
        dead = network.blocks[1].normalisation1
        assert dead.running_var[3] == 0 < dead.running_var[4] < 1e-6
        assert measuring.dead_channels(network) >= 1
        # By what the layer computes and not because nothing was put in.
        plain = with_normalisation(snapshot, lambda layer: None)
        with torch.no_grad():
            assert (before - plain.eval()(images)).abs().max() > 0.1 * before.abs().max()


@pytest.mark.parametrize("shortcut", ["B", "A", "none"])
def test_logits_of_the_standardised_network_are_those_of_loops_over_the_layers(noise, shortcut):
    snapshot = subject(noise, double=True, shortcut=shortcut)
    network = with_normalisation(snapshot, lambda layer: None)
    images = of_test(snapshot).double()
    training = normalise(noise.train_images, noise).double()
    expected = logits_by_hand(snapshot, training.numpy(), images.numpy())
    with torch.no_grad():
        assert network.eval()(images).numpy() == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_kernels_and_classifier_are_the_same(noise):
    snapshot = subject(noise)
    kept = snapshot.network.state_dict()
    made = with_normalisation(snapshot, undo).state_dict()
    assert set(kept) < set(made)
    assert all(torch.equal(value, made[name]) for name, value in kept.items())
    assert sum(name.endswith("running_var") for name in made) == 9


def test_rows_agree_with_the_logits(noise):
    snapshot = subject(noise)
    table = measure(snapshot, SMALL)
    assert list(table.columns) == list(COLUMNS)
    assert table["variant"].tolist() == [variant for variant in VARIANTS for _ in range(2)]
    assert table["moment"].tolist() == [BEFORE, AFTER] * 3
    assert table["status"].tolist() == ["finished"] * 6
    assert table["updates"].tolist() == [0, 3] * 3
    images, labels = of_test(snapshot), noise.test_labels.tolist()
    networks = {
        ORIGINAL: snapshot.network,
        IDENTITY: with_normalisation(snapshot, undo),
        STANDARDISED: with_normalisation(snapshot, lambda layer: None),
    }
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1)).tolist()
    groups = [order[:16], order[16:32], order[32:]]
    rows = table[table["moment"] == BEFORE].set_index("variant")
    with torch.no_grad():
        calm = networks[ORIGINAL].eval()(images).double().numpy()
    for variant, network in networks.items():
        batched = np.zeros_like(calm)
        with torch.no_grad():
            own = network.eval()(images).double().numpy()
            trained = copy.deepcopy(network).train()
            for group in groups:
                batched[group] = trained(images[group]).double().numpy()
        row = rows.loc[variant]
        for name, found in (("", own), ("batch_", batched)):
            change = [abs(float(a - b)) for a, b in zip(found.ravel(), calm.ravel(), strict=True)]
            # What is undone differs by rounding alone, which is not the same twice.
            assert row[f"{name}largest_change"] == pytest.approx(max(change), rel=1e-4, abs=1e-6)
            square = math.fsum(value**2 for value in change) / len(change)
            assert row[f"{name}rms_change"] == pytest.approx(math.sqrt(square), rel=1e-4, abs=1e-6)
            right = [int(np.argmax(each)) == label for each, label in zip(found, labels, strict=True)]
            assert row["batch_accuracy" if name else "test_accuracy"] == sum(right) / 40
        assert row["largest_logit"] == pytest.approx(np.abs(calm).max())
        assert row["rms_logit"] == pytest.approx(math.sqrt(np.mean(calm**2)))
    assert rows.loc[ORIGINAL, "dead_channels"] == 0
    assert rows.loc[IDENTITY, "dead_channels"] >= 1
    assert rows.loc[IDENTITY, "batch_rms_change"] > 1e-3 * rows.loc[IDENTITY, "rms_logit"]
    changes = ["largest_change", "rms_change", "batch_largest_change", "batch_rms_change"]
    assert table.loc[table["moment"] == AFTER, changes].isna().all(axis=None)


def test_fine_tuning_is_ordinary_training_at_a_constant_rate(noise):
    # Six mini-batches make an epoch, so that the updates go into the next; half of the cycle is over.
    snapshot = subject(noise)
    for network in (copy.deepcopy(snapshot.network), with_normalisation(snapshot, undo)):
        expected = trainee(dataclasses.replace(snapshot, network=copy.deepcopy(network)))
        expected.optimiser.param_groups[0]["lr"] = 0.02
        for _ in range(8):
            expected.gradient(*next(expected.batches))
            expected.optimiser.step()
        before = copy.deepcopy(network)
        assert fine_tune(network, snapshot, 0.02, 8)
        found, start = network.state_dict(), before.state_dict()
        for name, value in expected.network.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5)
        assert not torch.equal(found["classifier.weight"], start["classifier.weight"])


def test_accuracy_after_fine_tuning_is_of_running_averages(noise):
    snapshot = subject(noise)
    table = measure(snapshot, Settings(updates=8, learning_rate=0.02)).set_index(["variant", "moment"])
    network = with_normalisation(snapshot, lambda layer: None)
    fine_tune(network, snapshot, 0.02, 8)
    with torch.no_grad():
        right = (network.eval()(of_test(snapshot)).argmax(1) == noise.test_labels).double().mean().item()
    assert table.loc[(STANDARDISED, AFTER), "test_accuracy"] == right


def test_the_network_itself_stays_as_it_was(noise):
    snapshot = subject(noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    measure(snapshot, SMALL)
    assert all(torch.equal(value, before[name]) for name, value in snapshot.network.state_dict().items())


def test_a_recipe_without_a_known_precision_is_fine_tuned_in_float32(noise):
    snapshot = subject(noise, precision="fastest")
    assert fine_tune(copy.deepcopy(snapshot.network), snapshot, 0.01, 1)


def test_a_network_with_normalisation_is_refused_in_one_sentence(noise):
    snapshot = untrained(Recipe(depth=8, batch_size=16, normalisation="layer"), 0, noise)
    with pytest.raises(UserError, match=r"networks without any, and layer has the normalisation layer; set"):
        measure(snapshot, SMALL)


def test_too_few_training_images_are_refused_in_one_sentence(noise):
    snapshot = untrained(Recipe(depth=8, normalisation="none"), 0, noise)
    with pytest.raises(UserError, match="batch_size is 128, but noise has only 96 training images"):
        measure(snapshot, SMALL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"updates": 0}, "updates should be greater than or equal to 1"),
        ({"learning_rate": 0.0}, "learning_rate should be greater than 0"),
        ({"after": [0.3]}, "networks are not kept after a share 0.3"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(UserError) as error:
        validate({"name": "x", "experiments": {NAME: settings}})
    assert message in str(error.value)
    assert f"experiments.{NAME}" in str(error.value)


def test_by_default_a_residual_and_a_plain_network_are_trained():
    configuration = validate({"name": "x", "experiments": {NAME: {}}})
    recipes = configuration.recipes_of(NAME)
    assert {recipe.shortcut for recipe in recipes.values()} == {"B", "none"}
    assert {recipe.normalisation for recipe in recipes.values()} == {"none"}
    assert set(configuration.runs) == set(recipes)


def test_whole_path(noise, tmp_path):
    table = measured(measure, SMALL, snapshots(noise, KINDS, seeds=1, after=(0.5, 1.0)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 2 * 2 * 3
    verdict = verdicts.set_index("claim")
    assert verdict.loc["insertion_undone_is_identity", "verdict"] == "reproduced"
    assert (verdict["verdict"].drop("insertion_undone_is_identity") == "undecided").all()


def test_what_overflows_or_diverges_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, KINDS[:1], seeds=1, after=(1.0,))
    overflow(networks)
    table = measured(measure, SMALL, networks)
    after = table[table["moment"] == AFTER].set_index("variant")
    assert after.loc[ORIGINAL, "status"] == "diverged"
    assert pd.isna(after.loc[ORIGINAL, "test_accuracy"])
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert summary.set_index("variant").loc[ORIGINAL, "diverged in fine-tuning"] == 1
    assert (verdicts["verdict"] == "undecided").all()


def test_networks_that_differ_in_more_than_normalisation_are_a_fault(noise, monkeypatch):
    snapshot = subject(noise)
    deeper = ResidualNetwork(snapshot.recipe.model_copy(update={"depth": 14, "normalisation": "batch"}), 4, 1)
    monkeypatch.setattr(measuring, "ResidualNetwork", lambda *_: deeper)
    with pytest.raises(RuntimeError):
        with_normalisation(snapshot, undo)
