"""Accuracy: the share of images whose class a network puts on top."""

from mnasnet.measures.interval import Interval, wilson_interval
from mnasnet.measures.quality import QualityMeasure
from mnasnet.measures.score import Score


def _estimate(score: Score) -> tuple[float, Interval]:
    correct, images = score.top1
    return correct / images, wilson_interval(correct, images)


ACCURACY = QualityMeasure(name="accuracy", estimate=_estimate)
"""Top-1, with Wilson's interval: each image counts alike."""
