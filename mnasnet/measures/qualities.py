"""Qualities by the names that a search takes."""

from mnasnet.measures.accuracy import ACCURACY
from mnasnet.measures.balanced_accuracy import BALANCED_ACCURACY
from mnasnet.measures.quality import QualityMeasure

QUALITIES: dict[str, QualityMeasure] = {"accuracy": ACCURACY, "balanced": BALANCED_ACCURACY}
