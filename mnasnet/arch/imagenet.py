"""The names of ImageNet's 1,000 classes, in the order in which published networks put them out."""

from importlib.resources import files

IMAGENET_CLASSES = tuple(
    files("mnasnet.arch").joinpath("imagenet.txt").read_text(encoding="utf-8").splitlines()
)
"""One short name each, as torchvision has them."""
