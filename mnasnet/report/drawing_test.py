"""Tests of drawing.py."""

from xml.etree import ElementTree

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import MNASNET_A1
from mnasnet.report.drawing import boxes, draw


def test_a1_is_drawn_as_in_figure_7() -> None:
    drawn = list(boxes(MNASNET_A1.lowered()))
    assert [(box.title, box.repeats, box.output) for box in drawn] == [
        ("Conv 3×3", 1, "112×112×32"),
        ("SepConv 3×3", 1, "112×112×16"),
        ("MBConv6 3×3", 2, "56×56×24"),
        ("MBConv3 5×5", 3, "28×28×40"),
        ("MBConv6 3×3", 4, "14×14×80"),
        ("MBConv6 3×3", 2, "14×14×112"),
        ("MBConv6 5×5", 3, "7×7×160"),
        ("MBConv6 3×3", 1, "7×7×320"),
        ("Conv 1×1", 1, "7×7×1280"),
        ("Mean, fully connected", 1, "1000 classes"),
    ]
    assert [box.details for box in drawn[1:4]] == [
        "stride 1 · no skip",
        "stride 2 · identity skip in 1 of 2",
        "stride 2 · SE · identity skip in 2 of 3",
    ]


def test_the_drawing_is_well_formed_and_says_everything() -> None:
    network = Architecture(blocks=(parse_block("conv_k5_s2_c24_n2_pool"),), image_size=32, classes=2)
    drawing = ElementTree.fromstring(draw(network.lowered(), title='a <"network"> & more'))
    assert drawing.findtext("title") == 'a <"network"> & more'
    texts = [text.text for text in drawing.iter("text")]
    assert texts == [
        *("image 32×32×3", "Conv 3×3", "stem, stride 2", "16×16×32"),
        *("×2", "Conv 5×5", "stride 2 · pool skip", "8×8×24"),
        *("Conv 1×1", "head", "8×8×1280"),
        *("Mean, fully connected", "classifier", "2 classes"),
    ]
    # one sheet a box, and a second one behind what is repeated
    assert len(list(drawing.iter("rect"))) == 4 + 1
