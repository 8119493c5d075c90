"""A device behind adb: a shell on it and files for it, through `adbutils`, and who is at fault where that fails."""

import contextlib
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mnasnet.base.libraries import of_extra
from mnasnet.devices.device import DeviceError, DeviceLostError, UnsuitableError

with of_extra("android"):
    import adbutils

ADB_ANSWER_S = 10.0
"""For questions that a phone that is there answers within a second."""
CHUNK_BYTES = 64 * 1024
"""The most that adb takes at once."""
EXIT_MESSAGE = 3
"""The kind of a message of the phone's shell that holds the exit status; the others hold output."""


class SilentError(DeviceLostError):
    """Nothing came back in time: the phone is away, or what it runs hangs."""


class Adb:
    """One phone, emulator or board; it is found when something is first asked of it."""

    def __init__(self, serial: str | None) -> None:
        """None as `serial` means the one that is connected; one with a port is reached over the network."""
        self.serial = serial
        self.connected = False
        """Whether it was there the last time that something was asked of it."""
        self.times_found = 0
        """What was known of it the time before may not hold any more: it may come back as another one."""
        self._client = adbutils.AdbClient(socket_timeout=ADB_ANSWER_S)
        self._was_found = False
        """Whether it was ever there: an unknown serial is a mistake, a known one comes back."""

    def send(self, content: bytes, path: str, *, mode: int, what: str) -> str | None:
        """Why the phone did not take the file; None when it did.

        `adbutils.sync.push` keeps the reason to itself, and waits for ever.

        Raises:
            DeviceLostError: the phone went away.
        """
        with self._service("sync:", what=what, limit_s=ADB_ANSWER_S) as connection:
            target = f"{path},{stat.S_IFREG | mode}".encode()
            connection.conn.sendall(b"SEND" + len(target).to_bytes(4, "little") + target)
            for start in range(0, len(content), CHUNK_BYTES):
                chunk = content[start : start + CHUNK_BYTES]
                connection.conn.sendall(b"DATA" + len(chunk).to_bytes(4, "little") + chunk)
            connection.conn.sendall(b"DONE" + int(time.time()).to_bytes(4, "little"))
            status = connection.read_exact(4)
            reason = connection.read_exact(int.from_bytes(connection.read_exact(4), "little"))
            return None if status == b"OKAY" else reason.decode(errors="replace")

    def ask(self, command: str) -> str:
        """What the phone's shell prints.

        Raises:
            DeviceLostError: it does not answer.
        """
        return self.shell(command, what=f"asking {self.serial or 'the phone'}", limit_s=ADB_ANSWER_S)[1]

    def shell(self, command: str, *, what: str, limit_s: float) -> tuple[int, str]:
        """Exit status of a command, and all that it printed.

        Raises:
            DeviceLostError: the phone went away, or the command did not end within `limit_s`.
        """
        deadline = time.monotonic() + limit_s
        if limit_s <= 0:
            raise SilentError(f"{what}: no time was left for it")
        output = b""
        with self._service(f"shell,v2,raw:{command}", what=what, limit_s=limit_s) as connection:
            while True:
                connection.conn.settimeout(max(0.001, deadline - time.monotonic()))
                kind, *length = connection.read_exact(5)
                data = connection.read_exact(int.from_bytes(length, "little"))
                if kind == EXIT_MESSAGE:
                    return data[0], output.decode(errors="replace")
                output += data

    @contextlib.contextmanager
    def _service(self, service: str, *, what: str, limit_s: float) -> Iterator[Any]:
        """A connection to a service of the phone's daemon; one that breaks off is a phone that went away.

        Raises:
            DeviceLostError: it did, or nothing came for `limit_s`.
        """
        self.connect()
        try:
            # Not through adbutils.AdbDevice: what that opens stays open when it fails.
            with self._client.make_connection(timeout=limit_s) as connection:
                for request in (f"host:transport:{self.serial}", service):
                    connection.send_command(request)
                    connection.check_okay()
                yield connection
        except (adbutils.AdbTimeout, TimeoutError) as error:
            self.forget()
            raise SilentError(
                f"{what}: {self.serial} did not answer for {limit_s:.3g} s; unplug it and plug it in again"
            ) from error
        except (adbutils.AdbError, EOFError, OSError) as error:
            self.forget()
            raise DeviceLostError(
                f"{what} broke off: the connection to {self.serial} is lost; is its cable plugged in?"
            ) from error

    def connect(self) -> None:
        """Knows the phone to be there, when there is nothing else to be known yet or after a connection broke.

        Raises:
            DeviceLostError: the phone is away.
            DeviceError: there is no adb, or something has to be done at the phone or to the command.
        """
        if self.connected:
            return
        states = self._states()
        if self.serial is not None and ":" in self.serial and states.get(self.serial) in (None, "offline"):
            with contextlib.suppress(adbutils.AdbError):
                self._client.disconnect(self.serial)
                self._client.connect(self.serial, timeout=ADB_ANSWER_S)
            states = self._states()
        serial = self.serial or _single_serial(states)
        state = states.get(serial)
        if state is None:
            if self._was_found:
                raise DeviceLostError(f"{serial} is not connected any more; plug it in again")
            raise UnsuitableError(
                f"no phone has the serial number {serial}; connected: {', '.join(sorted(states)) or 'none'}"
            )
        self.serial, self._was_found = serial, True
        if state == "unauthorized":
            raise DeviceError(
                f"{serial} does not let this computer in: allow USB debugging on the phone's screen, and try again"
            )
        if state == "no":  # "no permissions (…)": the system's, not the phone's
            raise DeviceError(
                f"this system gives no program access to {serial}; developer.android.com/studio/run/device says "
                "what to install (on Debian and Ubuntu: android-sdk-platform-tools-common)"
            )
        if state != "device":
            raise DeviceLostError(f"{serial} is {state}; unplug it and plug it in again")
        self.connected = True
        self.times_found += 1

    def _states(self) -> dict[str, str]:
        """The phones that adb knows, and how they are."""
        try:
            return {one.serial: one.state for one in self._client.list()}
        except (adbutils.AdbError, OSError, EOFError, subprocess.SubprocessError) as error:
            raise DeviceError(
                f"adb cannot be started: {error or type(error).__name__}; does `adb devices` work here?"
            ) from error

    def forget(self) -> None:
        """It is to be found again before anything else is asked of it."""
        self.connected = False


def _single_serial(states: Mapping[str, str]) -> str:
    """The serial number of the one phone that is connected."""
    if not states:
        raise DeviceLostError(
            "no phone is connected; plug one in with USB debugging on, until `adb devices` shows it"
        )
    if len(states) > 1:
        raise UnsuitableError(
            f"{len(states)} phones are connected, {', '.join(sorted(states))}; name one: --device android:SERIAL"
        )
    return next(iter(states))
