import copy
import dataclasses
import itertools

import pytest
import torch

from repro.images.data import ImageData
from repro.machine.errors import UserError
from repro.settings.recipe import Recipe
from repro.training.descent import Descent
from repro.training.first_steps import trainee
from repro.training.schedule import epochs_after, learning_rate
from repro.training.snapshots import Snapshot, untrained
from tests.oracles import first_steps


def subject(data: ImageData, after: float = 0.0, **settings: object) -> Snapshot:
    recipe = Recipe(**{"depth": 8, "batch_size": 16, "learning_rate": 0.05, "epochs": 4} | settings)
    return dataclasses.replace(untrained(recipe, 1, data), after=after)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_steps_agree_with_training_written_out_in_double_precision(noise, normalisation):
    snapshot = subject(noise, normalisation=normalisation, momentum=0.8, weight_decay=0.01)
    trained = trainee(snapshot)
    batches = list(itertools.islice(trained.batches, 3))
    *_, expected = first_steps.training(copy.deepcopy(trained.network).double(), batches, 0.05, 0.8, 0.01)
    trained.network.double()
    for images, labels in batches:
        trained.gradient(images.double(), labels)
        trained.optimiser.step()
    for name, weight in trained.network.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("settings", [{}, {"dropout": 0.3, "place": "final"}, {"augmentation": False}])
def test_steps_are_those_of_the_training_that_goes_on_from_there(noise, after, settings):
    snapshot = subject(noise, after, **settings)
    recipe, steps = snapshot.recipe, 6  # an epoch of the 96 images
    trained = trainee(snapshot)
    trained.network.double()  # or rounding would soon part them
    descent = Descent(copy.deepcopy(snapshot.network).double(), noise, recipe, snapshot.seed)
    epoch = epochs_after(recipe, after)
    descent.active.fill_(True)
    descent.begin_epoch(epoch, learning_rate(recipe, min(epoch, 3)))
    for images, labels in itertools.islice(trained.batches, steps):
        trained.gradient(images.double(), labels)
        trained.optimiser.step()
        descent.advance()
    expected = dict(descent.network.named_parameters())
    for name, weight in trained.network.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("after", "expected"), [(0.0, 0.05), (0.25, 0.05), (0.5, 0.005), (0.75, 5e-4), (1.0, 5e-4)])
def test_the_rate_is_that_of_the_moment(noise, after, expected):
    assert trainee(subject(noise, after)).learning_rate == pytest.approx(expected)


def test_the_snapshot_s_network_stays_as_it_was(noise):
    snapshot = subject(noise)
    before = copy.deepcopy(snapshot.network.state_dict())
    trained = trainee(snapshot)
    trained.gradient(*next(trained.batches))
    trained.optimiser.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in snapshot.network.state_dict().items())
    assert all(parameter.grad is None for parameter in snapshot.network.parameters())


def test_mini_batches_go_on_into_the_next_epoch(noise):
    trained = trainee(subject(noise))  # 96 images: 6 mini-batches of 16 in an epoch
    labels = [labels for _, labels in itertools.islice(trained.batches, 12)]
    assert not torch.equal(torch.cat(labels[:6]), torch.cat(labels[6:]))
    later = trainee(subject(noise, after=0.25))
    assert all(torch.equal(one, other) for one, (_, other) in zip(labels[6:], later.batches, strict=False))


def test_too_few_images_is_one_clear_sentence(noise):
    trained = trainee(subject(noise, batch_size=97))
    with pytest.raises(UserError, match="batch_size is 97, but noise has only 96 training images; lower batch_size"):
        next(trained.batches)
