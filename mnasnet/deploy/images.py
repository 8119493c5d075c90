"""Real images as a network takes them: of the user's data, or pieces of two photographs at hand everywhere."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from mnasnet.arch.records import Learned
from mnasnet.nn.model import Model
from mnasnet.train.augment import Centre
from mnasnet.train.data import ImageData

CALIBRATION_IMAGES = 100
"""Of the data, that int8 is calibrated on, and as many others that a file is checked with."""

PIECES = 16
"""Squares cut out of the photographs."""


def normalised(learned: Learned, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`[n, size, size, channels]` as the network takes it, of pixels of 0 to 255."""
    mean, std = np.array(learned.mean, np.float32), np.array(learned.std, np.float32)
    return (pixels.astype(np.float32) / np.float32(255) - mean) / std


def images_of(data: ImageData, learned: Learned, *, limit: int) -> NDArray[np.float32]:
    """At most `limit` of the images that may be learnt from, in a mixed order that is always the same.

    Where the network takes colour and the data are grey, or the other way round, they are made so.
    """
    images = data.train_and_held_out
    order = np.random.default_rng(0).permutation(len(images))[:limit]
    stored = images.pixels[order].permute(0, 2, 3, 1)
    pixels = Centre(size=data.image_size)(stored, None).numpy()
    return normalised(learned, with_channels(pixels, len(learned.mean)))


def parted(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Those to calibrate on and those to check with: others, since nothing is clipped of what was calibrated on.

    Where there is only one, it is both.
    """
    half = (len(images) + 1) // 2
    return images[:half], images[half:] if len(images) > 1 else images


def photographs(model: Model) -> NDArray[np.float32]:
    """`PIECES` squares of scikit-learn's two photographs, of the network's size."""
    size = model.network.architecture.image_size
    pictures = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    pieces = []
    for number in range(PIECES):
        picture = pictures[number % len(pictures)]
        # From the top left to the bottom right, each larger than the one before.
        side = picture.height * (number + 1) // PIECES
        left, top = ((length - side) * number // PIECES for length in picture.size)
        piece = picture.resize((size, size), box=(left, top, left + side, top + side))
        pieces.append(np.asarray(piece))
    return normalised(model.learned, with_channels(np.stack(pieces), len(model.learned.mean)))


def with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """The same pictures, `[n, size, size, channels]`, in grey or in colour."""
    if pixels.shape[-1] == channels:
        return pixels
    grey = pixels.mean(-1, keepdims=True).round().astype(np.uint8)
    return np.repeat(grey, channels, axis=-1)
