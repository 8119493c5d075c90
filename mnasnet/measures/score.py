"""Score: how a network did on labelled images, class by class."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts of images, from which every quality of a classifier is worked out."""

    correct: tuple[int, ...]
    """Of each class, how many images had it on top."""
    in_top5: tuple[int, ...]
    """Of each class, how many images had it among the five highest."""
    images: tuple[int, ...]
    """Of each class, how many there were."""

    @property
    def top1(self) -> tuple[int, int]:
        """How many were right, of how many."""
        return sum(self.correct), sum(self.images)

    @property
    def top5(self) -> tuple[int, int]:
        """How many were right when five guesses count, of how many."""
        return sum(self.in_top5), sum(self.images)
