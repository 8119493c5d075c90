"""Augmentation: what a network sees of stored images, and that a seed decides it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from mnasnet.train.augment import Centre, ResizedCrop, Shift, batches, evaluation, training
from mnasnet.train.data import ImageData, Images


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(count: int, *, side: int = 32, channels: int = 3) -> Images:
    """Noise, labelled 0, 1, 2 …"""
    stored = torch.randint(256, (count, side, side, channels), dtype=torch.uint8, generator=seeded())
    return Images(pixels=stored.permute(0, 3, 1, 2), labels=torch.arange(count))


def data_of(learnt: Images, *, image_size: int = 32) -> ImageData:
    channels = learnt.pixels.shape[1]
    return ImageData(
        name="noise",
        classes=tuple(str(n) for n in range(len(learnt))),
        image_size=image_size,
        fingerprint="",
        mean=(0.5, 0.4, 0.3)[:channels],
        std=(0.2, 0.3, 0.25)[:channels],
        train_and_held_out=learnt,
        held_out_count=0,
        load_test=lambda: learnt,
    )


def epoch(
    learnt: Images, *, seed: int, flip: bool = True, image_size: int = 32
) -> list[tuple[Tensor, Tensor]]:
    augmentation = training(data_of(learnt, image_size=image_size), flip=flip)
    return list(
        batches(learnt, batch_size=8, augmentation=augmentation, generator=seeded(seed), drop_last=True)
    )


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (37, 3), (32, 1), (37, 1)])
def test_the_same_seed_gives_the_same_batches_and_another_others(side: int, channels: int) -> None:
    learnt = images(16, side=side, channels=channels)
    first, again, other = (epoch(learnt, seed=seed) for seed in (1, 1, 2))
    for (pixels, labels), (same_pixels, same_labels) in zip(first, again, strict=True):
        assert torch.equal(pixels, same_pixels)
        assert torch.equal(labels, same_labels)
        assert pixels.shape == (8, channels, 32, 32)
        assert pixels.dtype == torch.float32
        assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(first[0][0], other[0][0])


def test_whatever_else_draws_random_numbers_changes_nothing() -> None:
    learnt = images(16, side=37)
    torch.manual_seed(1)
    first = epoch(learnt, seed=1)
    torch.manual_seed(2)
    again = epoch(learnt, seed=1)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))


@given(st.integers(1, 40), st.integers(1, 16))
def test_training_drops_a_partial_last_batch_unless_it_is_the_only_one(count: int, batch_size: int) -> None:
    learnt = images(count, side=4)
    augmentation = training(data_of(learnt, image_size=4), flip=False)
    found = [
        len(labels)
        for _, labels in batches(
            learnt, batch_size=batch_size, augmentation=augmentation, generator=seeded(), drop_last=True
        )
    ]
    assert found == ([batch_size] * (count // batch_size) or [count])


@given(st.integers(1, 40), st.integers(1, 16))
def test_evaluation_sees_every_image_once_and_in_order(count: int, batch_size: int) -> None:
    learnt = images(count, side=4)
    augmentation = evaluation(data_of(learnt, image_size=4))
    found = list(
        batches(learnt, batch_size=batch_size, augmentation=augmentation, generator=None, drop_last=False)
    )
    assert torch.cat([labels for _, labels in found]).tolist() == list(range(count))
    assert all(len(pixels) == len(labels) for pixels, labels in found)


def test_an_epoch_shows_each_image_with_its_own_label() -> None:
    flat = torch.arange(16, dtype=torch.uint8).view(16, 1, 1, 1).expand(16, 37, 37, 3)  # image n is all n
    learnt = Images(pixels=flat.contiguous().permute(0, 3, 1, 2), labels=torch.arange(16))
    data = data_of(learnt)
    seen = []
    for pixels, labels in epoch(learnt, seed=0):
        values = (pixels[:, 0, 16, 16] * data.std[0] + data.mean[0]) * 255
        assert values.round().long().tolist() == labels.tolist()
        seen += labels.tolist()
    assert sorted(seen) == list(range(16))


def test_pixels_are_normalised_by_the_mean_and_deviation_of_the_data() -> None:
    learnt = images(4)
    data = data_of(learnt)
    ((pixels, _),) = batches(
        learnt, batch_size=4, augmentation=evaluation(data), generator=None, drop_last=False
    )
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    torch.testing.assert_close(pixels, (learnt.pixels / 255 - mean) / std)


def test_evaluation_takes_the_central_seven_eighths_of_large_images() -> None:
    pixels = torch.zeros(1, 256, 256, 1, dtype=torch.uint8)
    pixels[:, 16:240, 16:240] = 1  # 224 of 256
    assert Centre(size=224)(pixels, None).min() == 1
    assert Centre(size=224)(pixels, None).shape == (1, 224, 224, 1)


def test_shifted_images_move_by_at_most_the_padding_and_go_everywhere_in_it() -> None:
    dot = torch.zeros(500, 9, 9, 1, dtype=torch.uint8)
    dot[:, 4, 4] = 1
    shifted = Shift(pad=2)(dot, seeded())
    assert shifted.shape == dot.shape
    places = {(int(down) - 4, int(right) - 4) for _, down, right, _ in shifted.nonzero()}
    assert places == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_shift_keeps_what_it_does_not_push_out() -> None:
    stored = images(1, side=6).pixels.permute(0, 2, 3, 1)
    for seed in range(20):
        (shifted,) = Shift(pad=1)(stored, seeded(seed))
        cuts = [stored[0, down : down + 4, right : right + 4] for down in range(3) for right in range(3)]
        assert any(torch.equal(shifted[1:5, 1:5], cut) for cut in cuts)


@given(st.integers(1, 300), st.integers(0, 1000))
def test_crops_lie_inside_the_image(side: int, seed: int) -> None:
    top, left, height, width = ResizedCrop(size=8).boxes(50, side, seeded(seed)).unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert min(height.min(), width.min()) >= 1
    assert (top + height).max() <= side
    assert (left + width).max() <= side


def test_crops_have_the_official_areas_and_aspects() -> None:
    side = 10_000  # so that whole pixels do not matter
    _, _, height, width = ResizedCrop(size=8).boxes(20_000, side, seeded()).double().unbind(1)
    area, aspect = height * width / side**2, width / height
    assert 0.0799 < area.min() < 0.09
    assert 0.95 < area.max() <= 1
    assert 0.7499 < aspect.min() < 0.76
    assert 1.32 < aspect.max() < 1.3335
    assert aspect.mean() == pytest.approx((3 / 4 + 4 / 3) / 2, abs=0.005)  # drawn evenly


def test_the_largest_crop_of_aspect_one_is_the_whole_image_itself() -> None:
    stored = images(1, side=32).pixels.permute(0, 2, 3, 1)
    whole = ResizedCrop(size=32, area=(1, 1), aspect=(1, 1))
    assert torch.equal(whole(stored, seeded()), stored)


@pytest.mark.parametrize(("flip", "expected"), [(True, 0.5), (False, 0.0)])
def test_half_of_the_images_are_mirrored_and_only_if_told(flip: bool, expected: float) -> None:
    half = torch.zeros(400, 32, 32, 1, dtype=torch.uint8)
    half[:, :, 16:] = 255  # light on the right
    learnt = Images(pixels=half.permute(0, 3, 1, 2), labels=torch.arange(400))
    whole = training(data_of(learnt), flip=flip)
    pixels = whole(half, seeded())
    light_on_the_left = pixels[:, 0, :, :16].mean((1, 2)) > pixels[:, 0, :, 16:].mean((1, 2))
    assert light_on_the_left.double().mean().item() == pytest.approx(expected, abs=0.1)
