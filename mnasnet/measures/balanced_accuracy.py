"""Balanced accuracy: the mean of the classes' accuracies, for data of which some classes have few images."""

from mnasnet.measures.interval import Interval, mean_interval, wilson_interval
from mnasnet.measures.quality import QualityMeasure
from mnasnet.measures.score import Score


def _estimate(score: Score) -> tuple[float, Interval]:
    judged = [(right, images) for right, images in zip(score.correct, score.images, strict=True) if images]
    values = [right / images for right, images in judged]
    interval = mean_interval(values, [wilson_interval(right, images) for right, images in judged])
    return sum(values) / len(values), interval


BALANCED_ACCURACY = QualityMeasure(name="balanced accuracy", estimate=_estimate)
"""Each class counts alike, however many images it has (Brodersen et al. 2010); one without images does not count.
The interval comes from the classes' Wilson intervals."""
