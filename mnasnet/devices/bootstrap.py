"""Runs the runner on a board, and leaves nothing of it there: sent through ssh, and run before it.

The sender adds a call of `main` and, after it, the source of `runner.py`. The runner is a child of this process:
when it ends, however that may be, or the connection does, also in the midst of a timing, the folder with its files
goes.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import tempfile

NO_ROOM_STATUS = 91
"""Exit status when there is no place for temporary files."""


def end_by_signal(number: int, frame: object) -> None:
    """Ends, and lets nothing disturb that."""
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def main(runner_bytes: int) -> None:
    """Ends as the runner does, with 128 + N when a signal N ended it."""
    source = sys.stdin.buffer.read(runner_bytes)
    if len(source) < runner_bytes:
        sys.exit("the connection ended before the runner had arrived")
    try:
        folder = tempfile.mkdtemp(prefix="mnasnet-")
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NO_ROOM_STATUS)
    ended, lives = os.pipe()  # closed by the system when the runner ends
    runner = os.fork()
    if not runner:
        tempfile.tempdir = folder
        sys.argv[0] = "runner.py"
        exec(compile(source, "runner.py", "exec"), {"__name__": "__main__"})
        sys.exit()
    # A board that is shut down says so first, in one way and right after it in the other.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    try:
        os.close(lives)
        watched = select.poll()
        watched.register(ended, 0)
        # Ended is also what is only closed for sending. Not every system can tell, and those that cannot say all.
        watched.register(0, getattr(select, "POLLRDHUP", 0))
        watched.poll()
    finally:
        os.kill(runner, signal.SIGKILL)  # to one that has ended it does nothing
        _, status = os.waitpid(runner, 0)
        shutil.rmtree(folder, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)
