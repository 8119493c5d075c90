"""Who is told while a search runs, and the forecast of what it will still cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mnasnet.base.words import counted
from mnasnet.measures.reward import Reward
from mnasnet.study.trial import TrainedTrial, TrialRecord


class Watcher(Protocol):
    """What a search tells while it runs; the command line shows it, a script may ignore it."""

    def say(self, line: str) -> None:
        """One line that stays."""
        ...

    def step(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of `what` are done; called often."""
        ...

    def trial(self, record: TrialRecord, *, trained: int, trials: int, best: TrainedTrial | None) -> None:
        """A trial ended; `trained` of `trials` networks are trained, `best` has the highest reward so far."""
        ...


class Silent:
    """A watcher that keeps quiet."""

    def say(self, line: str) -> None:
        """Nothing."""

    def step(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def trial(self, record: TrialRecord, *, trained: int, trials: int, best: TrainedTrial | None) -> None:
        """Nothing."""


SILENT = Silent()

FORECASTS = (1, 10, 100, 1000)
"""After so many networks it says what the rest will cost: one network may be unlike the others, ten are less so."""


@dataclass(kw_only=True)
class Forecast:
    """What the rest of a search will take, from the trials that this process has run.

    Asking, timing and the networks too slow to be trained are in a trained network's share; a finalist takes as
    long for each image as a candidate did.
    """

    begun: float = field(default_factory=time.monotonic)
    """When the first trial of this process was asked for, on `time.monotonic`."""
    trained: int = 0
    training_seconds: float = 0.0
    images_seen: int = 0
    """Images times epochs of the trainings in this process."""

    def add(self, record: TrialRecord) -> None:
        """Count a trial that ended."""
        if isinstance(record, TrainedTrial) and record.charged:
            self.trained += 1
            self.training_seconds += record.quality.seconds
            self.images_seen += record.quality.epochs * record.quality.train_images

    def seconds(self, *, trials: int, final_trainings: int, final_images: int) -> tuple[float, float]:
        """For `trials` more networks, and for `final_trainings` over `final_images` (times epochs) each.

        Raises:
            ValueError: no network has been trained yet.
        """
        if self.trained == 0:
            raise ValueError("a forecast needs a network that was trained")
        each = (time.monotonic() - self.begun) / self.trained
        return trials * each, final_trainings * final_images * self.training_seconds / self.images_seen


def forecast_line(*, trials: int, trials_seconds: float, finals: int, finals_seconds: float) -> str:
    """The forecast in words, with the hours and the time at which all ends."""
    total = trials_seconds + finals_seconds
    end = datetime.now().astimezone() + timedelta(seconds=total)
    when = end.strftime("%H:%M" if total < 12 * 3600 else "%A %d %B %H:%M")
    parts = [f"{counted(trials, 'more trial')} {duration(trials_seconds)}"]
    if finals:
        parts.append(f"at most {counted(finals, 'final training')} {duration(finals_seconds)}")
    return f"cost: {' + '.join(parts)} = {duration(total)}, {total / 3600:.2f} hours; ends about {when}"


def duration(seconds: float) -> str:
    """Such as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Tally:
    """Hears of every trial, and tells the watcher what stands best and what the rest will cost."""

    def __init__(
        self,
        watcher: Watcher,
        *,
        records: Sequence[TrialRecord],
        reward: Reward,
        trials: int,
        final_trainings: int,
        final_images: int,
    ) -> None:
        """`records` are the trials of earlier processes; the other numbers are what is still asked for."""
        self._watcher, self._reward, self._trials = watcher, reward, trials
        self._final_trainings, self._final_images = final_trainings, final_images
        self._forecast = Forecast()
        self._best: TrainedTrial | None = None
        self._highest = float("-inf")
        self._trained = 0
        for record in records:
            self._count(record)
        watcher.step("trials", self._trained, max(trials, self._trained))

    def report_trial(self, record: TrialRecord) -> None:
        """A trial of this process ended."""
        self._count(record)
        self._forecast.add(record)
        self._watcher.trial(record, trained=self._trained, trials=self._trials, best=self._best)
        left = self._trials - self._trained
        if record.charged and self._forecast.trained in FORECASTS and left + self._final_trainings:
            trials_seconds, finals_seconds = self._forecast.seconds(
                trials=left, final_trainings=self._final_trainings, final_images=self._final_images
            )
            self._watcher.say(
                forecast_line(
                    trials=left,
                    trials_seconds=trials_seconds,
                    finals=self._final_trainings,
                    finals_seconds=finals_seconds,
                )
            )

    def _count(self, record: TrialRecord) -> None:
        self._trained += record.charged
        if isinstance(record, TrainedTrial) and record.charged:
            reward = record.score(self._reward)
            if reward > self._highest:
                self._best, self._highest = record, reward
