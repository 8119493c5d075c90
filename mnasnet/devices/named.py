"""Devices by the names that `--device` takes."""

import difflib
from pathlib import Path

from mnasnet.base.libraries import MissingLibraryError
from mnasnet.devices.device import Device
from mnasnet.devices.host import HostDevice
from mnasnet.devices.ssh import PYTHON, SshDevice

NAMES = ("host", "host:onnx", "android[:SERIAL]", "ssh:USER@HOST[:PORT]", "table:FILE")
KINDS = ("host", "android", "ssh", "table")


class DeviceNameError(ValueError):
    """No device can be meant; the message is one line with the value and the way out."""


def open_device(
    name: str, *, threads: int = 1, benchmark_model: Path | None = None, python: str = PYTHON
) -> Device:
    """The device called `name`; nothing is asked of it yet.

    Args:
        name: one of `NAMES`.
        threads: of the measured network.
        benchmark_model: LiteRT's tool for the phone, which android needs.
        python: the interpreter on a board behind ssh.

    Raises:
        DeviceNameError: there is no such device, or something that it needs is missing.
    """
    kind, colon, rest = name.partition(":")
    for flag, value, served in (
        ("--benchmark-model", benchmark_model, "android"),
        ("--python", python, "ssh"),
    ):
        if value not in (None, PYTHON) and kind != served and kind in KINDS:
            raise DeviceNameError(f"{flag} {value}: is for {served}, and --device is {name}")
    if kind == "host" and rest in ("", "onnx"):
        return HostDevice(threads=threads, format="onnx" if rest else None)
    wanted = {"ssh": "the board, as in ssh:pi@board", "table": "its file, as in table:phone.table"}
    if colon:
        wanted["android"] = "the phone, as `adb devices` does, or leave the colon out"
    if kind in wanted and not rest:
        raise DeviceNameError(f"--device {name}: name {wanted[kind]}")
    if kind == "ssh":
        try:
            return SshDevice(rest, threads=threads, python=python)
        except ValueError as error:
            raise DeviceNameError(f"--device ssh: {error}") from error
    if kind == "table":
        # Imported when it is asked for: no other device needs scipy.
        from mnasnet.devices.table import TableFileError, read_table
        from mnasnet.devices.table_device import TableDevice

        try:
            table = read_table(Path(rest))
        except TableFileError as error:
            raise DeviceNameError(f"--device {name}: {error}") from error
        if threads != table.card.threads:
            raise DeviceNameError(
                f"--threads {threads}: {rest} was calibrated with {table.card.threads}; give that, or calibrate "
                "again"
            )
        return TableDevice(table)
    if kind == "android":
        if benchmark_model is None:
            raise DeviceNameError(
                f"--device {name}: give LiteRT's tool for the phone with --benchmark-model; docs/measuring.md says "
                "where it is published"
            )
        if not benchmark_model.is_file():
            raise DeviceNameError(f"--benchmark-model {benchmark_model}: is no file")
        with benchmark_model.open("rb") as file:
            # A phone's shell runs any text as a script: a page that was saved in its place, for one.
            if not file.read(4).startswith((b"\x7fELF", b"#!")):
                raise DeviceNameError(
                    f"--benchmark-model {benchmark_model}: is no program; docs/measuring.md says where it is "
                    "published"
                )
        try:
            from mnasnet.devices.android import AndroidDevice
        except MissingLibraryError as error:
            raise DeviceNameError(f"--device {name}: {error}") from error
        return AndroidDevice(rest or None, benchmark_model, threads=threads)
    near = difflib.get_close_matches(kind, KINDS, n=1)
    nearest = f"the nearest is {near[0]!r}, of" if near else "give one of"
    raise DeviceNameError(f"--device {name}: {nearest} {', '.join(NAMES)}")
