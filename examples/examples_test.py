"""Every example runs to its end, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

OF_THEIR_OWN = ("classify",)
"""Examples that take arguments, with a test beside them."""

EXAMPLES = sorted(
    path
    for path in Path(__file__).parent.glob("*.py")
    if not path.stem.endswith("_test") and path.stem not in OF_THEIR_OWN
)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
