"""Progress: how a long call says how far it is."""

from collections.abc import Callable

StepProgress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""

StageProgress = Callable[[str, int, int], None]
"""Called with what is being done (`reading`, `decoding`), and how much of it is done and there is."""
