"""Tests that the command line alone knows flags, and that it knows one for each field at fault."""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mnasnet
from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.cli.conftest import called
from mnasnet.deploy.classifier import open_classifier
from mnasnet.deploy.export import export
from mnasnet.devices.named import open_device
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.options import DeviceOptions, check_space
from mnasnet.nn.model import open_model
from mnasnet.search.run import search
from mnasnet.search.settings import Settings

PACKAGE = Path(mnasnet.__file__).parent

FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")

FOREIGN = {
    # LiteRT's benchmark_model.
    "devices/android.py": "--graph --num_threads --use_xnnpack --warmup_runs --warmup_min_secs --num_runs "
    "--min_secs --max_secs",
    # The timing process, a program of its own.
    "devices/resident.py": "--threads",
    "devices/runner.py": "--threads",
    # pip.
    "nn/golden/mindcv/make.py": "--no-deps",
    # CSS, whose own properties begin so.
    "report/style.py": "--ink --soft --line --page --card --accent --conv --sep --mb --plain",
}
"""What only looks like a flag of ours, by file."""


def sources() -> Iterator[Path]:
    """The package's own source files, without those of the command line, of fakes and of tests."""
    for path in sorted(PACKAGE.rglob("*.py")):
        folder = path.relative_to(PACKAGE).parts[0]
        if folder not in ("cli", "fakes") and not path.name.endswith(("_test.py", "conftest.py")):
            yield path


def flags_in(path: Path) -> set[str]:
    """Flags in the strings, docstrings and comments of a source file."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = [node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    with path.open("rb") as file:
        texts += [
            token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        ]
    return {flag for text in texts for flag in FLAG.findall(text)}


def test_nothing_outside_the_command_line_names_a_flag() -> None:
    found = {path.relative_to(PACKAGE).as_posix(): flags_in(path) for path in sources()}
    assert {name: flags for name, flags in found.items() if flags} == {
        name: set(flags.split()) for name, flags in FOREIGN.items()
    }


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A request that cannot be served, as a Python caller makes it and as it is typed."""

    call: Callable[[], object]
    field: str
    """Of the call, at fault."""
    command: str
    flag: str
    """How the command line calls the field."""


def searching(**changed: Any) -> Callable[[], object]:
    """A search in a folder of its own."""
    return lambda: search(Settings(**{"data": "digits", "out": Path("mine"), **changed}))


def opening(**how: Any) -> Callable[[], object]:
    return lambda: DeviceOptions(**how).open_meter()


def checking(**size: Any) -> Callable[[], object]:
    return lambda: NetworkSize(**{"image_size": 64, "width": 0.5, "classes": 10, "in_channels": 3, **size})


def naming(name: str, **size: Any) -> Callable[[], object]:
    return lambda: find_architecture(name, **size)


def exporting(path: str, **how: Any) -> Callable[[], object]:
    """The export of a network that is small and untrained."""

    def call() -> object:
        model = open_model("mnasnet-small", width=0.35, image_size=32, weights="random")
        images = np.zeros((1, 32, 32, 3), np.float32)
        return export(model, Path(path), calibration=images, images=images, **how)

    return call


EXPORT = "export mnasnet-small --width 0.35 --image-size 32 --weights random"

MISTAKES = [
    *(
        Mistake(
            call=searching(**{field: value}),
            field=field,
            command=f"search --data digits --out mine {flag} {value}",
            flag=flag,
        )
        for field, flag, value in [
            ("image_size", "--image-size", 1),
            ("image_size", "--image-size", 2000),
            ("width", "--width", 0.01),
            ("width", "--width", -1.0),
            ("sampler", "--sampler", "pop"),
            ("reward", "--reward", "sofd"),
            ("space", "--space", "cells"),
            ("trials", "--trials", 0),
            ("threads", "--threads", 0),
            ("threads", "--threads", 99999),
            ("target_ms", "--target-ms", 0.0),
            ("max_ms", "--max-ms", -1.0),
            ("ppo_batch", "--ppo-batch", 3),
            ("seed", "--seed", -1),
            ("learning_rate", "--learning-rate", 0.0),
            ("max_images", "--max-images", 3),
            ("batch_size", "--batch-size", 100_000),
            ("data", "--data", "./none"),
            ("out", "--out", Path("a.txt")),
            ("storage", "--storage", "mysql"),
        ]
    ),
    *(
        Mistake(
            call=call, field=field, command=f"measure a.tflite {command} {value}", flag=command.split()[-1]
        )
        for call, field, command, value in [
            (lambda: open_device("hots"), "device", "--device", "hots"),
            (lambda: open_device("ssh:pi@"), "device", "--device", "ssh:pi@"),
            (lambda: open_device("android"), "device", "--device", "android"),
            (lambda: open_device("host", python="py"), "python", "--python", "py"),
            (opening(device="table:none.table"), "device", "--device", "table:none.table"),
            (opening(threads=0), "threads", "--threads", "0"),
            (
                lambda: open_device("android", benchmark_model=Path("none")),
                "benchmark_model",
                "--device android --benchmark-model",
                "none",
            ),
        ]
    ),
    *(
        Mistake(
            call=checking(**{field: value}),
            field=field,
            command=f"reach {flag} {value}",
            flag=flag,
        )
        for field, flag, value in [
            ("image_size", "--image-size", 8),
            ("width", "--width", 0.0),
            ("classes", "--classes", 0),
            ("in_channels", "--in-channels", 0),
        ]
    ),
    Mistake(call=lambda: check_space("flatt"), field="space", command="reach --space flatt", flag="--space"),
    Mistake(call=naming("mnasnet-a2"), field="name", command="cost mnasnet-a2", flag="NAME"),
    *(
        Mistake(
            call=naming("mnasnet-a1", **{field: value}),
            field=field,
            command=f"cost mnasnet-a1 {flag} {value}",
            flag=flag,
        )
        for field, flag, value in [
            ("width", "--width", 0.0),
            ("image_size", "--image-size", 16),
            ("classes", "--classes", 0),
            ("in_channels", "--in-channels", 0),
        ]
    ),
    Mistake(
        call=lambda: open_model("mnasnet-small", weights="random", labels=Path("none.txt")),
        field="labels",
        command=f"{EXPORT} -o a.tflite --labels none.txt",
        flag="--labels",
    ),
    Mistake(
        call=lambda: open_classifier("n.tflite", image_size=32),
        field="image_size",
        command="evaluate n.tflite --data digits --image-size 32",
        flag="--image-size",
    ),
    # A field of the call that the command line calls something else.
    Mistake(call=exporting("a.onnx"), field="path", command=f"{EXPORT} -o a.onnx", flag="--output"),
    Mistake(
        call=exporting("a.onnx", format="onnx", precision="int8"),
        field="precision",
        command=f"{EXPORT} -o a.onnx --format onnx --precision int8",
        flag="--precision",
    ),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A folder to work in with a file of the user's in it."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("mine")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.command)
def test_who_calls_from_python_is_told_the_field_at_fault(mistake: Mistake) -> None:
    with pytest.raises(RequestError) as refused:
        mistake.call()
    error = refused.value
    assert error.field == mistake.field
    assert str(error).startswith(f"`{mistake.field}` {error.value}: ")
    assert "\n" not in str(error)
    assert not FLAG.search(str(error))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.command)
def test_who_types_is_told_the_flag_at_fault(capsys: pytest.CaptureFixture[str], mistake: Mistake) -> None:
    ended = called(capsys, *mistake.command.split())
    assert ended.status == 2
    value = mistake.command.split()[1 if mistake.flag == "NAME" else -1]
    assert f": {mistake.flag} {value}: " in ended.line
    assert f"`{mistake.field}`" not in ended.line


def test_images_to_calibrate_on_are_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, *f"{EXPORT} -o a.tflite --calibration ./none".split())
    assert ended.status == 2
    assert ended.line.startswith("mnasnet export: --calibration ./none: no such file or folder: ")
