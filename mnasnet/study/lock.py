"""One process a folder: a lock that the system releases however the process ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mnasnet.base.errors import RequestError


@contextmanager
def only_process_in(out: Path) -> Iterator[None]:
    """Hold the folder `out` for this process.

    Raises:
        RequestError: another process is at work there, or it is no folder.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"cannot be made ({error.strerror}); name a folder, new or one that was begun",
            field="out",
            value=out,
        ) from error
    path = out / ".lock"
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RequestError(
            f"another process is at work in {out}; wait for it, or choose another `out`"
        ) from error
    except OSError as error:  # no right to, or a disk that can only be read
        raise RequestError(
            f"cannot be written ({error.strerror}); name another folder", field="out", value=out
        ) from error
    try:
        yield
    finally:
        lock.release()
        if made and list(out.iterdir()) == [path]:
            # A request that was refused leaves no trace.
            path.unlink()
            with suppress(OSError):  # another process may have begun in one of them
                for folder in made:
                    folder.rmdir()
