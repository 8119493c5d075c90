"""Devices by the names that `--device` takes."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from mnasnet.base.errors import RequestError
from mnasnet.base.libraries import MissingLibraryError
from mnasnet.devices.device import Device
from mnasnet.devices.host import HostDevice
from mnasnet.devices.ssh import BOARD_PYTHON, SshDevice

DEVICE_NAMES = ("host", "host:onnx", "android[:SERIAL]", "ssh:USER@HOST[:PORT]", "table:FILE")
DEVICE_KINDS = ("host", "android", "ssh", "table")
"""A table stands for a device under the same flag; what reads it is a meter."""


@dataclass(frozen=True, kw_only=True)
class DeviceName:
    """A name in its two parts."""

    text: str
    """All of it, as the user wrote it."""
    kind: str
    """One of `DEVICE_KINDS`."""
    address: str
    """What follows the colon: which phone, board or file; empty where the name says none."""


def parse_device_name(text: str) -> DeviceName:
    """The parts of a name; nothing is looked for yet.

    Raises:
        RequestError: there is no such kind of device, or the name says not which one.
    """
    kind, colon, address = text.partition(":")
    known = kind in DEVICE_KINDS and (kind != "host" or address in ("", "onnx"))
    if not known:
        near = difflib.get_close_matches(kind, DEVICE_KINDS, n=1)
        nearest = f"the nearest is {near[0]!r}, of" if near else "give one of"
        raise RequestError(f"--device {text}: {nearest} {', '.join(DEVICE_NAMES)}")
    wanted = {"ssh": "the board, as in ssh:pi@board", "table": "its file, as in table:phone.table"}
    if colon:
        wanted["android"] = "the phone, as `adb devices` does, or leave the colon out"
    if kind in wanted and not address:
        raise RequestError(f"--device {text}: name {wanted[kind]}")
    return DeviceName(text=text, kind=kind, address=address)


def check_device_options(name: DeviceName, *, benchmark_model: Path | None, python: str) -> None:
    """Nothing, where the options are for a device of this kind.

    Raises:
        RequestError: one is for another kind.
    """
    for flag, value, kind in (
        ("--benchmark-model", benchmark_model, "android"),
        ("--python", python, "ssh"),
    ):
        if value not in (None, BOARD_PYTHON) and name.kind != kind:
            raise RequestError(f"{flag} {value}: is for {kind}, and --device is {name.text}")


def open_device(
    text: str, *, threads: int = 1, benchmark_model: Path | None = None, python: str = BOARD_PYTHON
) -> Device:
    """The device that is called so; nothing is asked of it yet.

    Args:
        text: one of `DEVICE_NAMES`, and no table.
        threads: of the measured network.
        benchmark_model: LiteRT's tool for the phone, which android needs.
        python: the interpreter on a board behind ssh.

    Raises:
        RequestError: there is no such device, or something that it needs is missing.
    """
    name = parse_device_name(text)
    check_device_options(name, benchmark_model=benchmark_model, python=python)
    if name.kind == "host":
        return HostDevice(threads=threads, format="onnx" if name.address else None)
    if name.kind == "ssh":
        try:
            return SshDevice(name.address, threads=threads, python=python)
        except ValueError as error:
            raise RequestError(f"--device ssh: {error}") from error
    if name.kind == "android":
        return _open_phone(name, threads=threads, benchmark_model=benchmark_model)
    raise RequestError(f"--device {text}: is a table, and no device")


def _open_phone(name: DeviceName, *, threads: int, benchmark_model: Path | None) -> Device:
    if benchmark_model is None:
        raise RequestError(
            f"--device {name.text}: give LiteRT's tool for the phone with --benchmark-model; docs/measuring.md "
            "says where it is published"
        )
    if not benchmark_model.is_file():
        raise RequestError(f"--benchmark-model {benchmark_model}: is no file")
    with benchmark_model.open("rb") as file:
        # A phone's shell runs any text as a script: a page that was saved in its place, for one.
        if not file.read(4).startswith((b"\x7fELF", b"#!")):
            raise RequestError(
                f"--benchmark-model {benchmark_model}: is no program; docs/measuring.md says where it is published"
            )
    try:
        # Imported when it is asked for: it needs an extra.
        from mnasnet.devices.android import AndroidDevice
    except MissingLibraryError as error:
        raise RequestError(f"--device {name.text}: {error}") from error
    return AndroidDevice(name.address or None, benchmark_model, threads=threads)
