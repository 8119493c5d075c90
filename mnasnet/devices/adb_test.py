"""Tests of what adb says before there is a phone to ask; with phones it is tested in android_test.py."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from mnasnet.devices.adb import Adb
from mnasnet.devices.device import DeviceError, DeviceLostError, UnsuitableError

Listing = Callable[[str], None]


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listing]:
    """Lets a server of ours stand for adb's, which no loopback phone brings into these states: it answers every
    request with the list that it was given."""
    lines = ""

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(1024)
                connection.sendall(f"OKAY{len(lines):04x}{lines}".encode())

    def lists(text: str) -> None:
        nonlocal lines
        lines = text

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.getsockname()[1]))
        thread = threading.Thread(target=answer)
        thread.start()
        yield lists
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        ("", DeviceLostError, "no phone is connected; plug one in"),
        (
            "a\tno permissions (user in plugdev group; are your udev rules wrong?)",
            DeviceError,
            "no program access",
        ),
        ("a\toffline", DeviceLostError, "a is offline; unplug it and plug it in again"),
        ("a\trecovery", DeviceLostError, "a is recovery"),
        ("a\tdevice\nb\tdevice", UnsuitableError, "2 phones are connected, a, b; name one"),
    ],
)
def test_a_phone_that_cannot_be_asked_is_one_line_with_the_way_out(
    listing: Listing, lines: str, kind: type[Exception], said: str
) -> None:
    listing(lines)
    with pytest.raises(kind, match=said) as raised:
        Adb(None).connect()
    assert type(raised.value) is kind


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # adbutils leaves its socket open
def test_without_an_adb_that_starts_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("ADBUTILS_ADB_PATH", "/nowhere/adb")
    with pytest.raises(DeviceError, match=r"adb cannot be started: .*does `adb devices` work here"):
        Adb(None).connect()
    gc.collect()  # now, and not in another test
