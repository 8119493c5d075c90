"""Tests of mindspore.py, and of MindCV's weights: MindSpore's own logits come out (golden/mindcv/README.md)."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.nn.checkpoint import load_network
from mnasnet.nn.mindspore import read_mindspore

GOLDEN = Path(__file__).parent / "golden" / "mindcv"
CKPT = GOLDEN / "small.ckpt"
WIDTH = 0.125


@pytest.mark.parametrize("size", [224, 161, 139])
def test_mindcvs_weights_give_mindspores_logits(size: int) -> None:
    network = load_network(CKPT, find_architecture("mnasnet-b1", width=WIDTH))
    assert (network.architecture.padding, network.architecture.bn_epsilon) == ("symmetric", 1e-3)
    # As golden/mindcv/make.py draws them.
    random = np.random.RandomState(size)
    images = random.uniform(-1, 1, (2, 3, size, size)) + random.uniform(-1, 1, (2, 3, 1, 1))
    with torch.no_grad():
        found = network(torch.from_numpy(images.astype(np.float32))).numpy()
    expected = np.load(GOLDEN / "small.npz")[f"logits_{size}"]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_file_of_another_width_is_refused_by_the_tensors_name() -> None:
    with pytest.raises(RequestError, match=r"features\.\d+\S* is \(8"):
        load_network(CKPT, find_architecture("mnasnet-b1"))


def test_tensors_come_in_order_with_their_shapes() -> None:
    tensors = read_mindspore(CKPT.read_bytes())
    assert len(tensors) == 52 * 5 + 2  # 52 convolutions with BN, and the classifier
    assert list(tensors)[:2] == ["features.0.weight", "features.1.moving_mean"]
    assert tensors["features.0.weight"].shape == (8, 3, 3, 3)
    assert tensors["classifier.bias"].shape == (10,)


def test_what_a_trainer_saves_beside_the_weights_is_left_alone(tmp_path: Path) -> None:
    # A tensor `moment.x` of one float: tag 1, tensor 2 {dims 1, type, content}.
    tensor = b"\x08\x01" + b"\x12\x07Float32" + b"\x1a\x04" + bytes(4)
    value = b"\x0a\x08moment.x" + b"\x12" + bytes([len(tensor)]) + tensor
    (tmp_path / "more.ckpt").write_bytes(CKPT.read_bytes() + b"\x0a" + bytes([len(value)]) + value)
    assert "moment.x" in read_mindspore((tmp_path / "more.ckpt").read_bytes())
    load_network(tmp_path / "more.ckpt", find_architecture("mnasnet-b1", width=WIDTH))


def test_a_checksum_behind_the_file_is_no_tensor() -> None:
    content = CKPT.read_bytes()
    checked = content + b"crc_num" + zlib.crc32(content).to_bytes(10, "big")
    assert read_mindspore(checked).keys() == read_mindspore(content).keys()


@given(st.integers(1, 10_000))
def test_a_file_cut_short_within_a_tensor_is_refused(cut: int) -> None:
    content = CKPT.read_bytes()[:10_000]
    whole = read_mindspore(CKPT.read_bytes())
    if _reads(content[:cut]):  # a cut between two tensors
        assert list(read_mindspore(content[:cut])) == list(whole)[: len(read_mindspore(content[:cut]))]
    else:
        with pytest.raises(ValueError, match="not MindSpore's, or encrypted, or cut short"):
            read_mindspore(content[:cut])


def test_a_file_cut_between_two_tensors_lacks_one_by_name(tmp_path: Path) -> None:
    content = CKPT.read_bytes()
    end = next(
        cut
        for cut in range(len(content) - 1, 0, -1)
        if content[cut:].startswith(b"\x0a") and _reads(content[:cut])
    )
    (tmp_path / "cut.ckpt").write_bytes(content[:end])
    with pytest.raises(RequestError, match=r"'classifier\.bias' is missing"):
        load_network(tmp_path / "cut.ckpt", find_architecture("mnasnet-b1", width=WIDTH))


@given(st.binary(max_size=200))
def test_bytes_that_are_nothing_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not MindSpore's"):
        read_mindspore(content)


def _reads(content: bytes) -> bool:
    try:
        read_mindspore(content)
    except ValueError:
        return False
    return True
