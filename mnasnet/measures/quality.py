"""Quality: what a trained network is worth on a set of images, the objective that a search maximises."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mnasnet.measures.interval import Interval, wilson_interval
from mnasnet.measures.quantity import Quantity
from mnasnet.measures.score import Score


@dataclass(frozen=True, kw_only=True)
class QualityMeasure:
    """How a network's quality is worked out of its score."""

    name: str
    """In words, such as `balanced accuracy`."""
    estimate: Callable[[Score], tuple[float, Interval]]
    """The value, a fraction, with its 95 % interval over the images."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a network is worth, with its interval and its conditions."""

    name: str
    """Of its `QualityMeasure`."""
    value: float
    """As a fraction."""
    interval: Interval
    """95 %, over the images and not over training seeds."""
    images: int
    """How many it was judged on."""
    on: str
    """Which images: `held-out` or `test`."""
    epochs: int
    """Epochs of training behind it."""
    seed: int
    train_images: int
    seconds: float
    """Wall time of the training."""

    def __post_init__(self) -> None:
        low, high = self.interval
        if not (self.images > 0 and 0 <= low <= self.value <= high <= 1):
            raise ValueError(f"{self.value} [{low}, {high}] of {self.images} images is no {self.name}")

    def may_be_guessed(self, classes: int) -> bool:
        """Whether it is no better than guessing among so many classes, as far as the images tell."""
        return self.interval[0] <= 1 / classes

    @property
    def quantity(self) -> Quantity:
        """The same as a quantity."""
        names = ("images", "on", "epochs", "seed", "train_images", "seconds")
        return Quantity(
            name=self.name,
            unit="",
            better="higher",
            value=self.value,
            interval=self.interval,
            conditions={name: getattr(self, name) for name in names},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return dataclasses.asdict(self)


def judge_score(
    measure: QualityMeasure,
    score: Score,
    *,
    on: str,
    epochs: int,
    seed: int,
    train_images: int,
    seconds: float,
) -> Quality:
    """The quality that `measure` makes of a score, with the conditions of the training; fields as of `Quality`."""
    value, interval = measure.estimate(score)
    return Quality(
        name=measure.name,
        value=value,
        interval=interval,
        images=sum(score.images),
        on=on,
        epochs=epochs,
        seed=seed,
        train_images=train_images,
        seconds=round(seconds, 3),
    )


def quality_from_json(data: Mapping[str, Any]) -> Quality:
    """The inverse of `Quality.to_json`, also of records of version 0.1, which knew accuracy alone, as a count."""
    if "correct" in data:
        data = dict(data)
        correct, images = data.pop("correct"), data["images"]
        value, interval = correct / images, wilson_interval(correct, images)
        data |= {"name": "accuracy", "value": value, "interval": interval}
    return Quality(**{**data, "interval": tuple(data["interval"])})
