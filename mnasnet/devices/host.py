"""This machine's CPU as a device: files are timed by a resident process that never loads torch."""

import sys
from collections.abc import Sequence

from mnasnet.arch.records import Format
from mnasnet.devices.resident import FORMAT_RUNTIMES, ResidentDevice
from mnasnet.devices.runner_process import RUNNER, RunnerHost


class HostDevice(ResidentDevice):
    """LiteRT with XNNPACK, or ONNX Runtime, on this machine."""

    def __init__(
        self,
        *,
        threads: int = 1,
        format: Format | None = None,
        limit_s: float = 120.0,
        command: Sequence[str] = (sys.executable, "-P", str(RUNNER)),
    ) -> None:
        """Only files of `format` are run where one is given; `command` starts the runner.

        The default of `limit_s` is a hundred times what a launch takes with MnasNet-A1 at 224 px.

        Raises:
            ValueError: `threads` is less than 1, or `limit_s` not positive.
        """
        host = RunnerHost(
            name="host" if format is None else f"host:{format}",
            command=tuple(command),
            install_advice="run make setup"
            if format is None
            else "there is an extra for it: pip install -e '.[onnx]'",
        )
        formats = tuple(FORMAT_RUNTIMES) if format is None else (format,)
        super().__init__(host, threads=threads, limit_s=limit_s, formats=formats)
