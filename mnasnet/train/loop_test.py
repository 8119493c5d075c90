"""The training loop: what a seed decides, what is dropped, decayed and made anew, and what it never sees."""

import dataclasses

import pytest
import torch
from torch import nn

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.nn.layers import BN_MOMENTUM
from mnasnet.nn.network import Network
from mnasnet.train.augment import batches, evaluation, training
from mnasnet.train.data import ImageData, Images
from mnasnet.train.loop import (
    DivergedError,
    Learner,
    ProxyTraining,
    Recipe,
    _groups,
    count_correct,
    estimate_bn,
    score,
    score_of,
    train,
)

TINY = Architecture(
    blocks=(parse_block("sep_k3_s2_c16_n1"), parse_block("mb_k3_s2_e3_c24_n1_se0.25")),
    image_size=32,
    in_channels=1,
    classes=10,
    stem=8,
    head=64,
)
"""A network that learns the digits, somewhat, in a second."""

BRIEF = Recipe(epochs=2)
LEARNING = Recipe(epochs=5, learning_rate=0.02)
"""With so few steps the default rate is too slow for so small a network."""


@pytest.fixture(scope="module")
def trained(digits: ImageData) -> Network:
    """Tests that change it put it back with `estimate_bn`."""
    return train(TINY, digits, digits.train, LEARNING, seed=0)


def normalisations(network: Network) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def equal(one: Network, other: Network) -> bool:
    """Whether two networks have the same numbers, bit for bit."""
    here, there = one.state_dict(), other.state_dict()
    return all(torch.equal(here[name], there[name]) for name in here)


def in_colour(data: ImageData) -> ImageData:
    """Grey images as three equal channels."""

    def coloured(grey: Images) -> Images:
        stored = grey.pixels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous()
        return Images(pixels=stored.permute(0, 3, 1, 2), labels=grey.labels)

    return dataclasses.replace(
        data,
        train_and_held_out=coloured(data.train_and_held_out),
        load_test=lambda: coloured(data.test),
        mean=data.mean * 3,
        std=data.std * 3,
    )


def test_the_same_seed_gives_the_same_network_bit_for_bit_and_another_another(digits: ImageData) -> None:
    some = digits.train.slice(0, 128)
    first, again, other = (train(TINY, digits, some, BRIEF, seed=seed) for seed in (1, 1, 2))
    assert equal(first, again)
    assert not equal(first, other)


def test_the_same_seed_gives_the_same_accuracy(digits: ImageData) -> None:
    proxy = ProxyTraining(data=digits, recipe=Recipe(epochs=1), seed=3)
    first, again = (dataclasses.replace(proxy(TINY), seconds=0.0) for _ in range(2))
    assert first == again


def test_neither_does_the_callers_random_state_matter_nor_does_it_change(digits: ImageData) -> None:
    some = digits.train.slice(0, 64)
    networks = []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        networks.append(train(TINY, digits, some, BRIEF, seed=0))
        assert torch.equal(torch.get_rng_state(), before)
    assert equal(*networks)


def test_an_accuracy_comes_with_its_conditions(digits: ImageData) -> None:
    accuracy = ProxyTraining(data=digits, recipe=LEARNING, seed=0)(TINY)
    assert (accuracy.images, accuracy.train_images) == (287, 1151)
    assert (accuracy.epochs, accuracy.seed, accuracy.on) == (5, 0, "held-out")
    assert accuracy.seconds > 0
    assert accuracy.top1 > 0.5  # a tenth is chance


def test_the_search_never_asks_for_the_test_images(digits: ImageData) -> None:
    class TestImagesSeenError(Exception):
        pass

    def load_test() -> Images:
        raise TestImagesSeenError

    guarded = dataclasses.replace(digits, load_test=load_test)
    ProxyTraining(data=guarded, recipe=Recipe(epochs=1), seed=0)(TINY)
    with pytest.raises(TestImagesSeenError):
        _ = guarded.test  # whoever asks would have been found out


def test_accuracy_with_moving_statistics_is_noise_and_with_statistics_made_anew_is_not(
    digits: ImageData, trained: Network
) -> None:
    anew = count_correct(trained, digits, digits.held_out)

    # As they move during the training, from 0 and 1 by a hundredth a step: and here the weights even stand still.
    for module in normalisations(trained):
        module.reset_running_stats()
    trained.train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(LEARNING.epochs):
            for pixels, _ in batches(
                digits.train,
                batch_size=32,
                augmentation=training(digits, flip=False),
                generator=generator,
                drop_last=True,
            ):
                trained(pixels)
    moving = count_correct(trained.eval(), digits, digits.held_out)

    estimate_bn(trained, digits, digits.train, batch_size=32)
    assert count_correct(trained, digits, digits.held_out) == anew
    assert anew - moving > 0.1 * len(digits.held_out)


def test_statistics_made_anew_are_the_mean_over_the_images_whatever_they_were(
    digits: ImageData, trained: Network
) -> None:
    some = digits.train.slice(0, 64)  # two whole batches
    for module in normalisations(trained):
        torch.nn.init.constant_(module.running_mean, float("nan"))  # type: ignore[arg-type]
    trained.train()
    estimate_bn(trained, digits, some, batch_size=32)

    assert not any(module.training for module in trained.modules())
    assert {module.momentum for module in normalisations(trained)} == {BN_MOMENTUM}
    ((pixels, _),) = batches(
        some, batch_size=64, augmentation=evaluation(digits), generator=None, drop_last=False
    )
    with torch.no_grad():
        expected = trained.stem.conv(pixels).mean((0, 2, 3))
    torch.testing.assert_close(trained.stem.bn.running_mean, expected)
    estimate_bn(trained, digits, digits.train, batch_size=32)


@pytest.mark.parametrize(
    ("count", "steps_an_epoch"),
    [(64, 2), (70, 2), (95, 2), (20, 1)],  # of 32 images each; 20 are a batch of their own
)
def test_a_partial_last_batch_is_dropped_and_every_step_is_told(
    count: int, steps_an_epoch: int, digits: ImageData
) -> None:
    told: list[tuple[int, int]] = []
    train(
        TINY,
        digits,
        digits.train.slice(0, count),
        Recipe(epochs=3, batch_size=32),
        seed=0,
        progress=lambda step, steps: told.append((step, steps)),
    )
    steps = 3 * steps_an_epoch
    assert told == [(step, steps) for step in range(1, steps + 1)]


def test_a_score_is_counted_by_class_and_five_guesses_are_at_least_as_good_as_one(
    digits: ImageData, trained: Network
) -> None:
    found = score(trained, digits, digits.held_out)
    assert sum(found.images) == len(digits.held_out) == found.top5[1]
    assert found.top1[0] == count_correct(trained, digits, digits.held_out)
    for correct, in_top5, images in zip(found.correct, found.in_top5, found.images, strict=True):
        assert 0 <= correct <= in_top5 <= images
    threes = digits.held_out.labels == digits.classes.index("3")
    only = Images(pixels=digits.held_out.pixels[threes], labels=digits.held_out.labels[threes])
    assert score(trained, digits, only).correct[3] == found.correct[3] == count_correct(trained, digits, only)


def test_of_equal_logits_the_first_counts() -> None:
    logits = torch.zeros(1, 700)
    logits[0, [3, 600]] = 1.0
    assert score_of([(logits, torch.tensor([3]))], classes=700).top1 == (1, 1)
    assert score_of([(logits, torch.tensor([600]))], classes=700).top1 == (0, 1)


def test_a_network_that_puts_out_no_numbers_has_diverged_and_is_not_scored(digits: ImageData) -> None:
    network = Network(TINY).eval()
    torch.nn.init.constant_(network.classifier.bias, float("nan"))
    with pytest.raises(DivergedError, match="numbers that are none"):
        score(network, digits, digits.held_out)


def test_of_two_classes_both_are_among_five(digits: ImageData, trained: Network) -> None:
    network = Network(dataclasses.replace(TINY, classes=2)).eval()
    kept = digits.held_out.labels < 2
    two = Images(pixels=digits.held_out.pixels[kept], labels=digits.held_out.labels[kept])
    found = score(network, dataclasses.replace(digits, classes=("0", "1")), two)
    assert found.in_top5 == found.images


def test_the_average_of_the_weights_is_near_them_and_soon_forgets_the_start(digits: ImageData) -> None:
    learner = Learner(Network(TINY), Recipe(ema=0.9999), seed=0)
    assert learner.average is not None
    (weight, *_), (average, *_) = learner.network.parameters(), learner.average.parameters()
    start = weight.detach().clone()
    with torch.no_grad():
        for value in (1.0, 2.0, 4.0):
            weight.fill_(value)
            learner.average.update_parameters(learner.network)
    # The first update copies; then the decay is (1 + t) / (10 + t): 2/11 and 3/12.
    expected = 2 + (1 - 2) * (2 / 11)
    expected = 4 + (expected - 4) * (3 / 12)
    torch.testing.assert_close(average, torch.full_like(start, expected))


def test_every_image_is_judged_however_they_are_batched(digits: ImageData, trained: Network) -> None:
    some = digits.held_out.slice(0, 50)
    with torch.no_grad():
        ((pixels, labels),) = batches(
            some, batch_size=50, augmentation=evaluation(digits), generator=None, drop_last=False
        )
        expected = int((trained(pixels).argmax(1) == labels).sum())
    assert count_correct(trained, digits, some, batch_size=7) == expected
    assert count_correct(trained, digits, some) == expected


def test_a_training_that_diverges_says_at_which_step(digits: ImageData) -> None:
    with pytest.raises(DivergedError, match=r"^training diverged: the loss was (nan|inf) at step \d+ of 35$"):
        train(TINY, digits, digits.train, Recipe(epochs=1, learning_rate=1e9), seed=0)


def test_all_weights_decay_but_those_of_bn() -> None:
    network = Network(TINY)
    decayed, kept = _groups(network, 1e-5)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (1e-5, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decayed_names, kept_names = (
        {names[id(parameter)] for parameter in group["params"]}  # type: ignore[attr-defined]
        for group in (decayed, kept)
    )
    assert kept_names == {name for name in names.values() if ".bn." in name}
    assert decayed_names == set(names.values()) - kept_names
    assert {name for name in decayed_names if name.endswith("bias")} == {
        "blocks.1.0.se.squeeze.bias",
        "blocks.1.0.se.excite.bias",
        "classifier.bias",
    }


def test_colour_is_learnt_from_as_grey_is(digits: ImageData) -> None:
    colour = in_colour(digits)
    network = train(
        dataclasses.replace(TINY, in_channels=3), colour, colour.train.slice(0, 64), BRIEF, seed=0
    )
    assert network.stem.conv.weight.shape == (8, 3, 3, 3)
    assert 0 <= count_correct(network, colour, colour.held_out) <= 287


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"in_channels": 3}, "is for 3 channels and 10 classes, digits has 1 and 10: replace"),
        ({"classes": 1000}, "is for 1 channels and 1000 classes, digits has 1 and 10: replace"),
    ],
)
def test_a_network_for_other_images_is_refused(
    other: dict[str, int], message: str, digits: ImageData
) -> None:
    with pytest.raises(ValueError, match=message):
        train(dataclasses.replace(TINY, **other), digits, digits.train, BRIEF, seed=0)  # type: ignore[arg-type]
