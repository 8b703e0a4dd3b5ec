"""Embedded images with the statistics of photographs and ten classes that have to be learned.

Every image is a sum of random fields whose amplitude falls with spatial frequency as 1/f, the law of natural images
(Field 1987, https://doi.org/10.1364/JOSAA.4.002379), in correlated colour channels: strong luminance, weak
opponent colours (Ruderman et al. 1998, https://doi.org/10.1364/JOSAA.15.002036). Two things tell the class:

- shapes: each class owns a few fixed fields; an image shows a random mixture of them, shifted and perhaps mirrored;
- texture: fresh noise whose orientation and scale are the class's own, so that no single pixel tells it.

Both vary in strength from image to image and lie under a background that says nothing, so a network learns the
training images better than what they have in common, and test accuracy parts from training accuracy.
"""

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
CLASS_NAMES = tuple(f"class {number}" for number in range(CLASSES))
TRAIN_IMAGES, TEST_IMAGES = 5_000, 1_000  # as many as there are unless the settings ask otherwise
MAXIMUM_IMAGES = 100_000

SIZE = 32
CANVAS = 48  # fields are periodic; images are cut from them and are not
SHAPES = 3  # fixed fields of each class
SHIFTS = 9  # places of a shape in each direction
BLOCK = 500  # images made at a time; an image does not depend on how many follow
SEED = 20181203

# Red, green and blue. Mean and standard deviation are those of CIFAR-10.
MEAN = np.array([0.491, 0.482, 0.447])
STANDARD_DEVIATION = np.array([0.247, 0.244, 0.262])
OPPONENT_COLOURS = np.array([[0.6, 0.2, -0.8], [0.5, -0.6, 0.1]])  # blue-yellow and red-green

EXPONENT = 1.3  # the amplitude falls as frequency^-EXPONENT
STRENGTH = {"background": 0.75, "shape": 0.6, "texture": 0.3, "brightness": 0.5, "colour": 0.3, "noise": 0.05}
CONTRAST = 0.8  # brings the standard deviation to that of CIFAR-10


def generate(train_images: int, test_images: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Training images, their labels, test images and their labels.

    Images are uint8 (image, channel, y, x) of 3 channels and 32x32 pixels, labels int64 (image,). Both numbers must
    be multiples of the 10 classes for these to have equally many images. The result is the same on every machine:
    double precision before the rounding to 8 bits leaves practically no room for a difference in the last digit.
    """
    return *_part(0, train_images), *_part(1, test_images)


def _part(part: int, images: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    shapes = _fields(_random(2, 0), _amplitude(), CLASSES * SHAPES).reshape(CLASSES, SHAPES, CANVAS, CANVAS)
    blocks = [_block(shapes, _random(part, number)) for number in range(-(-images // BLOCK))]
    pixels = np.concatenate([pixels for pixels, _ in blocks])
    labels = np.concatenate([labels for _, labels in blocks])
    return pixels[:images], labels[:images]


def _random(part: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([SEED, part, number]))


def _block(shapes: NDArray, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # Ten consecutive images are one of each class, in random order.
    labels = random.permuted(np.tile(np.arange(CLASSES), (BLOCK // CLASSES, 1)), axis=1).reshape(-1)

    luminance = STRENGTH["background"] * _fields(random, _amplitude(), BLOCK)[:, :SIZE, :SIZE]
    luminance += STRENGTH["shape"] * _varied(random, 0.5) * _shape(random, shapes[labels])
    luminance += STRENGTH["texture"] * _varied(random, 0.5) * _texture(random, labels)
    luminance += STRENGTH["brightness"] * random.standard_normal((BLOCK, 1, 1))

    pixels = np.repeat(luminance[:, None], 3, axis=1)  # (image, channel, y, x)
    for colour in OPPONENT_COLOURS:
        field = _fields(random, _amplitude(), BLOCK)[:, :SIZE, :SIZE] + random.standard_normal((BLOCK, 1, 1))
        pixels += STRENGTH["colour"] * field[:, None] * colour[:, None, None]
    pixels += STRENGTH["noise"] * random.standard_normal(pixels.shape)
    pixels *= CONTRAST * _varied(random, 0.25)[:, None] * STANDARD_DEVIATION[:, None, None]
    pixels += MEAN[:, None, None]
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8), labels.astype(np.int64)


def _shape(random: np.random.Generator, shapes: NDArray) -> NDArray[np.float64]:
    """A random mixture of the class's shapes (image, shape, y, x), shifted and perhaps mirrored, (image, y, x)."""
    weights = 0.5 + random.standard_normal((BLOCK, SHAPES))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    y, x = random.integers(0, SHIFTS, (2, BLOCK, 1))
    y, x = y + np.arange(SIZE), x + np.arange(SIZE)  # (image, y), (image, x)
    x = np.where(random.random((BLOCK, 1)) < 0.5, x, x[:, ::-1])
    image = np.arange(BLOCK)[:, None, None]
    return np.einsum("is,iyxs->iyx", weights, shapes[image, :, y[:, :, None], x[:, None, :]])


def _texture(random: np.random.Generator, labels: NDArray) -> NDArray[np.float64]:
    """Noise of the class's orientation (one of five, or its mirror image) and scale (one of two), (image, y, x)."""
    frequency, angle = _frequency(), _angle()
    amplitude = []
    for label in range(CLASSES):
        turn = np.pi / 8 * (label % 5)
        distance = np.angle(np.exp(2j * (angle - turn))) / 2  # an orientation and its opposite are the same
        octaves = np.log2(frequency / (4.5, 9)[label // 5])
        amplitude.append(np.exp(-((distance / 0.3) ** 2) / 2 - octaves**2 / 2) / frequency)
    texture = _fields(random, np.stack(amplitude)[labels], BLOCK)[:, :SIZE, :SIZE]
    mirrored = random.random((BLOCK, 1, 1)) < 0.5
    return np.where(mirrored, texture[:, :, ::-1], texture)


def _varied(random: np.random.Generator, spread: float) -> NDArray[np.float64]:
    """A positive factor for each image, (image, 1, 1), whose logarithm has standard deviation `spread`."""
    return np.exp(spread * random.standard_normal((BLOCK, 1, 1)))


def _fields(random: np.random.Generator, amplitude: NDArray, number: int) -> NDArray[np.float64]:
    """Gaussian fields of unit variance with the given amplitude at each frequency, (field, y, x)."""
    spectrum = np.fft.rfft2(random.standard_normal((number, CANVAS, CANVAS))) * amplitude
    # All frequencies count twice but those that are their own opposite.
    power = amplitude**2 * np.where(np.isin(np.arange(CANVAS // 2 + 1), (0, CANVAS // 2)), 1, 2)
    scale = np.sqrt(CANVAS**2 / power.sum(axis=(-2, -1)))
    fields: NDArray[np.float64] = np.fft.irfft2(spectrum, s=(CANVAS, CANVAS)) * np.reshape(scale, (-1, 1, 1))
    return fields


def _amplitude() -> NDArray[np.float64]:
    return _frequency() ** -EXPONENT


def _frequency() -> NDArray[np.float64]:
    """Cycles per canvas, (y, x) as in `rfft2`; infinite for the mean, which has no amplitude."""
    frequency: NDArray[np.float64] = np.hypot(*_wave_vector())
    frequency[0, 0] = np.inf
    return frequency


def _angle() -> NDArray[np.float64]:
    angle: NDArray[np.float64] = np.arctan2(*_wave_vector())
    return angle


def _wave_vector() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    whole = np.arange(CANVAS, dtype=np.float64)
    return np.where(whole < CANVAS / 2, whole, whole - CANVAS)[:, None], whole[None, : CANVAS // 2 + 1]
