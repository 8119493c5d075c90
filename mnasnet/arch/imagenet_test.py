"""Tests of imagenet.py: the names stand where published networks put their logits."""

from mnasnet.arch.imagenet import IMAGENET_CLASSES


def test_the_classes_are_those_of_imagenet_in_the_order_of_their_numbers() -> None:
    assert len(set(IMAGENET_CLASSES)) == 1000
    # As the labelled pictures that other projects carry number them.
    assert [IMAGENET_CLASSES[n] for n in (0, 281, 388, 999)] == [
        "tench",
        "tabby",
        "giant panda",
        "toilet tissue",
    ]
