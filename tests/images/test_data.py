import numpy as np
import pytest
import torch

from repro.images.data import ImageData, mini_batch, normalise
from repro.machine.errors import UserError


def test_moments_are_those_of_all_training_pixels(embedded):
    pixels = embedded.train_images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(embedded.mean.numpy(), pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(embedded.standard_deviation.numpy(), pixels.std((0, 2, 3)), rtol=1e-6)
    assert embedded.mean.dtype == embedded.standard_deviation.dtype == torch.float32
    normalised = normalise(embedded.train_images, embedded)
    assert normalised.dtype == torch.float32
    assert normalised.mean((0, 2, 3)).abs().max() < 1e-5
    assert (normalised.std((0, 2, 3)) - 1).abs().max() < 1e-4
    pixel = (int(embedded.test_images[2, 1, 5, 7]) / 255 - pixels.mean((0, 2, 3))[1]) / pixels.std((0, 2, 3))[1]
    assert normalise(embedded.test_images, embedded)[2, 1, 5, 7].item() == pytest.approx(pixel, rel=1e-5)


def test_mini_batch_draws_distinct_images_by_seed(embedded):
    images, labels = mini_batch(embedded, 128, seed=3)
    assert images.shape == (128, 3, 32, 32)
    again, _ = mini_batch(embedded, 128, seed=3)
    other, _ = mini_batch(embedded, 128, seed=4)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    everything = normalise(embedded.train_images, embedded).flatten(1)
    positions = [int((everything == image.flatten()).all(1).nonzero()) for image in images]
    assert len(set(positions)) == 128
    assert torch.equal(labels, embedded.train_labels[positions])
    _, all_labels = mini_batch(embedded, 500, seed=0)
    assert torch.bincount(all_labels).tolist() == [50] * 10
    with pytest.raises(UserError, match=r"501 images cannot be drawn from 500"):
        mini_batch(embedded, 501, seed=0)


def test_mini_batch_leaves_the_global_generator_alone(embedded):
    state = torch.get_rng_state()
    mini_batch(embedded, 8, seed=1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_constant_channel_cannot_be_normalised(embedded):
    images = embedded.train_images.clone()
    images[:, 1] = 77
    fields = {**vars(embedded), "train_images": images}
    data = ImageData(**{key: fields[key] for key in ImageData.__dataclass_fields__})
    with pytest.raises(UserError, match="Channel 1 of synthetic images is the same"):
        mini_batch(data, 8, seed=0)
