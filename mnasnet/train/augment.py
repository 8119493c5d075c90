"""Augmentation: batches of stored uint8 images made into normalised float32 input, at random for training.

Random resized crops where images are stored with room for them, pad-and-shift where they are not; evaluation
takes the centre. All random numbers come from the generator passed in: the same seed gives the same batches.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from mnasnet.train.data import ImageData, Images

PAD_FRACTION = 1 / 8
"""Padding on each side of small images over their side: 4 for 32 px (He et al., CVPR 2016, section 4.2)."""

Crop = Callable[[Tensor, Generator | None], Tensor]
"""From uint8 [batch, side, side, channels] to uint8 [batch, size, size, channels]."""

Batch = tuple[Tensor, Tensor]
"""Images, float32 [batch, channels, size, size] in channels_last, normalised; labels, int64 [batch]."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What stored images go through before a network sees them: crop, mirror, normalise."""

    crop: Crop
    mirror: bool
    """Whether every second image, at random, is mirrored left to right."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel, with pixels scaled to 0–1."""

    def __call__(self, pixels: Tensor, generator: Generator | None) -> Tensor:
        """From uint8 [batch, side, side, channels] to the images of a `Batch`."""
        pixels = self.crop(pixels, generator)
        if self.mirror:
            mirrored = torch.rand(len(pixels), generator=generator) < 0.5
            pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(2), pixels)
        batch, height, width, channels = pixels.shape
        scale = 1 / (255 * torch.tensor(self.std))
        shift = -torch.tensor(self.mean) / torch.tensor(self.std)
        # A row at a time, since three channels at a time is slower (`benchmarks/evidence.jsonl`, rows-of-pixels).
        rows = pixels.reshape(batch, height, width * channels).float()
        rows.mul_(scale.repeat(width)).add_(shift.repeat(width))
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def training(data: ImageData, *, flip: bool) -> Augmentation:
    """For training on images of `data`; `flip` only where a mirrored image is of the same class."""
    side = data.train_and_held_out.pixels.shape[-1]
    crop: Crop = Shift(pad=round(side * PAD_FRACTION))
    if side > data.image_size:
        crop = ResizedCrop(size=data.image_size)
    return Augmentation(crop=crop, mirror=flip, mean=data.mean, std=data.std)


def evaluation(data: ImageData) -> Augmentation:
    """For judging by images of `data`: the central 0.875 of large ones, all of small ones; draws nothing."""
    return Augmentation(crop=Centre(size=data.image_size), mirror=False, mean=data.mean, std=data.std)


def batches(
    images: Images,
    *,
    batch_size: int,
    augmentation: Augmentation,
    generator: Generator | None,
    drop_last: bool,
) -> Iterator[Batch]:
    """One epoch: in random order with a generator, without one in that of the images.

    `drop_last` leaves out a partial last batch, unless it is the only one.
    """
    stored = images.pixels.permute(0, 2, 3, 1)  # as it lies in memory: picking rows copies whole images
    count = len(images)
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    used = count - count % batch_size if drop_last and count > batch_size else count
    for start in range(0, used, batch_size):
        rows = order[start : min(start + batch_size, used)]
        yield augmentation(stored[rows], generator), images.labels[rows]


@dataclass(frozen=True, kw_only=True)
class Centre:
    """The central square."""

    size: int
    """Its side in pixels."""

    def __call__(self, pixels: Tensor, generator: Generator | None) -> Tensor:
        """See `Crop`; it draws nothing."""
        start = (pixels.shape[1] - self.size) // 2
        return pixels[:, start : start + self.size, start : start + self.size]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Pads with black and cuts the same size out again, anywhere."""

    pad: int
    """Pixels on each side."""

    def __call__(self, pixels: Tensor, generator: Generator | None) -> Tensor:
        """See `Crop`."""
        batch, side, _, channels = pixels.shape
        padded = F.pad(pixels, (0, 0, self.pad, self.pad, self.pad, self.pad))
        image, row, pixel, _ = padded.stride()
        places = 2 * self.pad + 1
        # Every window of every image, as a view: [batch, down, right, side, side * channels].
        windows = padded.as_strided(
            (batch, places, places, side, side * channels), (image, row, pixel, row, 1)
        )
        down, right = torch.randint(places, (2, batch), generator=generator)
        return windows[torch.arange(batch), down, right].view(batch, side, side, channels)


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """A random rectangle of each image, scaled to a square: the official implementation's training crop.

    As TensorFlow's `sample_distorted_bounding_box` draws it: the aspect evenly, then the height evenly
    between those that give the smallest and the largest area.
    """

    size: int
    """Side of what comes out, in pixels."""
    area: tuple[float, float] = (0.08, 1.0)
    """As a fraction of the image."""
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    """Width over height."""

    def __call__(self, pixels: Tensor, generator: Generator | None) -> Tensor:
        """See `Crop`."""
        batch, side, _, channels = pixels.shape
        cropped = torch.empty(batch, self.size, self.size, channels, dtype=torch.uint8)
        boxes = self.boxes(batch, side, generator).tolist()
        for image, out, (top, left, height, width) in zip(pixels, cropped, boxes, strict=True):
            box = image[top : top + height, left : left + width].permute(2, 0, 1)[None]
            # One by one in uint8: twice as fast as a batched grid_sample at 64 px, ten times at 224 px.
            scaled = F.interpolate(box, (self.size, self.size), mode="bilinear", antialias=True)
            out.copy_(scaled[0].permute(1, 2, 0))
        return cropped

    def boxes(self, batch: int, side: int, generator: Generator | None) -> Tensor:
        """int64 [batch, 4]: top, left, height and width of a rectangle in each square of `side` pixels."""
        aspect_draw, height_draw, top_draw, left_draw = torch.rand(4, batch, generator=generator)
        aspect = self.aspect[0] + aspect_draw * (self.aspect[1] - self.aspect[0])
        shortest = (self.area[0] / aspect).sqrt()
        tallest = (self.area[1] / aspect).sqrt().minimum(1 / aspect).clamp(max=1)  # inside the square
        height = side * (shortest + height_draw * (tallest - shortest))
        width = height * aspect
        height, width = height.round().clamp(min=1), width.round().clamp(min=1)
        top = (top_draw * (side - height + 1)).floor().minimum(side - height)  # it may round up to all of it
        left = (left_draw * (side - width + 1)).floor().minimum(side - width)
        return torch.stack([top, left, height, width], dim=1).long()
