"""The wire of our own adb daemon: messages, the streams in them, and the services that a phone has behind those."""

import contextlib
import os
import queue
import secrets
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

PROTOCOL_VERSION = 0x01000001
AUTH_TOKEN, AUTH_SIGNATURE = 1, 2
TAKES_BYTES = 1 << 20
"""The most that the client may send in one message."""
BENCHMARK_CALL = "/benchmark_model --graph"
"""In the commands that run it."""
HEADER = struct.Struct("<4sIIIII")


class ServedPhone(Protocol):
    """What the daemon has to know of its phone, and may do to it."""

    model: str
    """Its name."""
    root: Path
    """Where its file system lies."""
    commands: list[str]
    """What its shell was given, in order."""
    sent: list[str]
    """Where the files went that were sent to it, in order, whole or not."""
    shells: set[subprocess.Popen[bytes]]
    """What runs now."""

    def happens(self, fault: str) -> bool:
        """Whether the fault was ordered; it happens once less from now on."""

    def drop(self) -> None:
        """Loses its connections."""

    def start(self, do: Callable[..., None], *arguments: object) -> None:
        """Runs something beside everything else, until a connection ends."""

    def on_this_machine(self, command: str) -> str:
        """The command with this machine's paths in place of the phone's."""


class AdbLink:
    """A connection to the adb server, and the streams in it."""

    def __init__(self, phone: ServedPhone, connection: socket.socket) -> None:
        self.phone, self.connection = phone, connection
        self._sending = threading.Lock()
        self._streams: dict[int, AdbStream] = {}

    def serve(self) -> None:
        """Answers messages until the connection ends."""
        while True:
            command, first, second, length, _, _ = HEADER.unpack(self._receive(HEADER.size))
            data = self._receive(length)
            if command == b"CNXN" and self.phone.happens("unauthorized"):
                self.send(b"AUTH", AUTH_TOKEN, 0, secrets.token_bytes(20))
            elif command == b"CNXN":
                name = f"ro.product.name=loopback;ro.product.model={self.phone.model}"
                banner = f"device::{name};features=shell_v2,cmd"
                self.send(b"CNXN", PROTOCOL_VERSION, TAKES_BYTES, banner.encode())
            elif command == b"AUTH" and first == AUTH_SIGNATURE:
                self.send(b"AUTH", AUTH_TOKEN, 0, secrets.token_bytes(20))  # it knows no key
            elif command == b"OPEN":
                stream = self._streams[first] = AdbStream(self, first)
                self.send(b"OKAY", first, first)
                self.phone.start(stream.serve, data.rstrip(b"\0").decode())
            elif command == b"CLSE" and second in self._streams:
                self._streams.pop(second).close()
            elif second in self._streams:
                self._streams[second].take(command, data)

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        """One message; streams have the number at this end that they have at the other."""
        magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
        header = HEADER.pack(command, first, second, len(data), sum(data) & 0xFFFFFFFF, magic)
        with self._sending:
            self.connection.sendall(header + data)

    def end_shells(self) -> None:
        """As the daemon does when the connection is gone."""
        for stream in self._streams.values():
            stream.close()

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            if not (part := self.connection.recv(length - len(data))):
                raise EOFError
            data += part
        return data


class AdbStream:
    """One service that the client asked for."""

    def __init__(self, link: AdbLink, number: int) -> None:
        self._link, self._number = link, number
        self._phone = link.phone
        self._came: queue.Queue[bytes | None] = queue.Queue()
        self._read = b""
        self._taken: queue.Queue[None] = queue.Queue()
        self._shell: subprocess.Popen[bytes] | None = None
        self._gone = False

    def serve(self, service: str) -> None:
        """Does what was asked for, and ends the stream."""
        kind, _, rest = service.partition(":")
        if kind == "shell,v2,raw":
            self._serve_shell(rest)
        elif kind == "sync":
            self._serve_sync()
        self._link.send(b"CLSE", self._number, self._number)

    def take(self, command: bytes, data: bytes) -> None:
        """A message of this stream."""
        if command == b"WRTE":
            self._came.put(data)
            self._link.send(b"OKAY", self._number, self._number)
        elif command == b"OKAY":
            self._taken.put(None)

    def close(self) -> None:
        """The other side is gone."""
        self._gone = True
        self._came.put(None)
        self._taken.put(None)
        if self._shell is not None:
            # The daemon's hint to its child, and to no grandchild.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._shell.pid, signal.SIGHUP)

    def _write(self, data: bytes) -> None:
        """As many messages as that takes, each after the one before was taken."""
        for start in range(0, len(data), TAKES_BYTES):
            self._link.send(b"WRTE", self._number, self._number, data[start : start + TAKES_BYTES])
            self._taken.get()
            if self._gone:
                raise EOFError

    def _serve_shell(self, command: str) -> None:
        phone = self._phone
        phone.commands.append(command)
        if BENCHMARK_CALL not in command and phone.happens("drop_asking"):
            phone.drop()
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", phone.on_this_machine(command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": f"{phone.root / 'bin'}:/usr/bin:/bin"},
            start_new_session=True,
        )
        phone.shells.add(self._shell)
        outputs = self._shell.communicate()
        phone.shells.discard(self._shell)
        status = self._shell.returncode
        ended = bytes([status if status >= 0 else 128 - status])
        for kind, data in ((1, outputs[0]), (2, outputs[1]), (3, ended)):
            data = data.replace(str(phone.root).encode(), b"")
            if data:
                self._write(bytes([kind]) + len(data).to_bytes(4, "little") + data)

    def _serve_sync(self) -> None:
        while True:
            request, length = self._next(4), int.from_bytes(self._next(4), "little")
            if request != b"SEND":
                return
            name, _, mode = self._next(length).decode().rpartition(",")
            self._phone.sent.append(name)
            path = Path(self._phone.on_this_machine(name))
            full = self._phone.happens("storage_full")
            with path.open("wb") as file:
                while self._next(4) == b"DATA":
                    data = self._next(int.from_bytes(self._next(4), "little"))
                    if self._phone.happens("drop_pushing"):
                        self._phone.drop()
                        return
                    if not full:
                        file.write(data)
            self._next(4)  # the time it was changed, after DONE
            if full:
                path.unlink()
                reason = b"write failed: No space left on device"
                self._write(b"FAIL" + len(reason).to_bytes(4, "little") + reason)
            else:
                path.chmod(int(mode) & 0o777)
                self._write(b"OKAY" + bytes(4))

    def _next(self, length: int) -> bytes:
        while len(self._read) < length:
            if (data := self._came.get()) is None:
                raise EOFError
            self._read += data
        data, self._read = self._read[:length], self._read[length:]
        return data
