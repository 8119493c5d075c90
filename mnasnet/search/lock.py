"""One process a search: a lock on its folder, which the system releases however the process ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mnasnet.search.settings import RequestError


@contextmanager
def only_search_in(out: Path) -> Iterator[None]:
    """Hold the folder `out` for this process.

    Raises:
        RequestError: another process is searching there, or it is no folder.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"--out {out} cannot be made ({error.strerror}); name a folder, new or of a search"
        ) from error
    path = out / ".lock"
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RequestError(
            f"another process is searching in {out}; wait for it, or choose another --out"
        ) from error
    except OSError as error:  # no right to, or a disk that can only be read
        raise RequestError(
            f"--out {out} cannot be written ({error.strerror}); name another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
        if made and list(out.iterdir()) == [path]:
            # A search that was refused leaves no trace.
            path.unlink()
            with suppress(OSError):  # another search may have begun in one of them
                for folder in made:
                    folder.rmdir()
