"""Files that are never half written."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes | bytearray) -> None:
    """Put `content` at `path`; at no time is there half of it.

    Raises:
        OSError: it cannot be written; what was there is unchanged.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
