"""What a search is asked for: the options of `mnasnet search` and the arguments of its Python form."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mnasnet.arch.records import Precision
from mnasnet.base.errors import RequestError
from mnasnet.meters.options import DeviceOptions
from mnasnet.samplers.named import check_sampler
from mnasnet.train.sources import DIGITS

RewardName = Literal["soft", "hard", "absolute"]
QualityName = Literal["accuracy", "balanced"]
SpaceName = Literal["mnasnet", "mnasnet-published", "flat"]

LEAST_WIDTH = 0.05
"""At which the last two of the paper's seven blocks can still be of different widths, and no other can."""


@dataclass(frozen=True, kw_only=True)
class Settings(DeviceOptions):
    """Search for networks that are accurate on your images and fast on your device."""

    data: str
    """Your images: a folder with one sub-folder a class (with or without train/ and val/), parquet files, or a
    name on the Hugging Face hub. Without it: a demonstration on scikit-learn's digits, called digits."""
    out: Path | None = None
    """Folder of the search; the same command with the same folder goes on where it was. None: runs/DATA."""
    image_size: int = 64
    """Side in pixels at which images are looked at."""
    width: float = 0.5
    """Multiplies all filters."""
    target_ms: float | None = None
    """Latency to aim at. None: what MobileNetV2 takes on the device at this width and size."""
    max_ms: float | None = None
    """Networks slower than this are not trained. None: 2 × target."""
    max_mb: float | None = None
    """Networks whose file is larger, in megabytes of 1,000,000 bytes, are not trained. None: no limit."""
    trials: int = 100
    """Networks to train."""
    sampler: str = "bayesian"
    """Who chooses the networks: bayesian (20 at random, then Gaussian processes of accuracy and latency), which of
    these needs the fewest trials (docs/samplers.md); ppo, the paper's controller; evolution; random; tpe; or nsga2,
    which learns nothing from those too slow to be trained."""
    ppo_batch: int | None = None
    """PPO update every so many finished trials. None: 5."""
    quality: QualityName = "accuracy"
    """What a network is judged by: accuracy, or balanced accuracy, in which each class counts alike."""
    reward: RewardName = "soft"
    """How latency is weighed: soft and hard as in the paper, absolute as in TuNAS. With soft, twice the latency is
    worth 5 % of the accuracy, and the best network may be well over the target; hard keeps it near."""
    precision: Precision = "fp32"
    """Of the files that are measured and handed over: fp32, fp16 or int8, calibrated on training images."""
    space: SpaceName = "mnasnet"
    """What may be chosen: the paper's space; the same with the widths of A1 and B1; every layer on its own."""
    seed: int = 0
    """Of the sampler and of every training."""
    epochs: int = 5
    """Of the short training that judges a candidate."""
    batch_size: int = 32
    """Images in a training step."""
    learning_rate: float = 0.002
    """Peak of the learning rate."""
    flip: bool = False
    """Whether a mirrored image is still of its class, as photographs are and digits are not."""
    max_images: int | None = None
    """Learn from at most so many images, a fixed part of each class. None: all."""
    finalists: int = 3
    """How many of the best networks are trained longer, tested and exported, beside MobileNetV2."""
    final_epochs: int = 30
    """Epochs of a finalist's training."""
    storage: str | None = None
    """Database that keeps the study, such as postgresql://user@host/db. None: study.db in the folder."""

    def __post_init__(self) -> None:
        least_of = dict.fromkeys(
            ("trials", "ppo_batch", "threads", "epochs", "final_epochs", "max_images"), 1
        )
        least_of |= {"image_size": 2, "batch_size": 2, "finalists": 0, "seed": 0}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise RequestError(f"give a whole number of at least {least}", field=name, value=value)
        for name, most in {
            "image_size": 1024,
            "width": 8,
            "threads": os.cpu_count() or 1,
            "seed": 2**32 - 1,
        }.items():
            if (value := getattr(self, name)) > most:
                raise RequestError(f"give at most {most}", field=name, value=value)
        for name in ("width", "target_ms", "max_ms", "max_mb", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise RequestError("give a number above 0", field=name, value=value)
        if self.width < LEAST_WIDTH:
            raise RequestError(
                f"give at least {LEAST_WIDTH}; below it nearly every layer has the fewest filters that there are, "
                "8, whatever is chosen",
                field="width",
                value=self.width,
            )
        if self.target_ms is not None and self.max_ms is not None and self.max_ms < self.target_ms:
            raise RequestError(
                f"below `target_ms` {self.target_ms:g}, so nothing near the target would be trained: raise it, or "
                "leave it out for twice the target",
                field="max_ms",
                value=self.max_ms,
            )
        check_sampler(self.sampler)
        if self.ppo_batch is not None and self.sampler != "ppo":
            raise RequestError(
                f"only for `sampler` ppo, not {self.sampler}: name that one, or leave it out",
                field="ppo_batch",
                value=self.ppo_batch,
            )
        if "?" in str(self.folder):  # with which the options of SQLite's URL begin
            raise RequestError(
                "give a folder without a question mark in its path", field="out", value=self.folder
            )
        for name, choices in {
            "quality": get_args(QualityName),
            "reward": get_args(RewardName),
            "space": get_args(SpaceName),
            "precision": get_args(Precision),
        }.items():
            if (value := getattr(self, name)) not in choices:
                raise RequestError(f"give one of {', '.join(choices)}", field=name, value=value)

    @property
    def folder(self) -> Path:
        """`out`, or a folder named after the data."""
        return self.out or Path("runs") / (
            Path(self.data).resolve().name.removesuffix(".parquet") or "search"
        )


DEMONSTRATION = Settings(
    data=DIGITS,
    image_size=32,
    trials=12,
    sampler="ppo",
    batch_size=48,
    learning_rate=0.003,
    finalists=2,
    final_epochs=10,
)
"""What `mnasnet search` does without any images of the user's: four minutes on two cores, and every part of it
real. The paper's controller learns twice in it; the default would only have begun.

Batches of 48 instead of 32 take a sixth less time, and batches of 64 lose accuracy
(`benchmarks/evidence.jsonl`, demonstration-batch).
"""
