"""What stands before the first trial: the images, the space, the device, the target, and the search's identity."""

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
import torch
from optuna.samplers import BaseSampler

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.base.errors import RequestError
from mnasnet.base.words import counted
from mnasnet.devices.device import Device
from mnasnet.measures.limits import FILE_SIZE, LATENCY
from mnasnet.measures.quantity import Quantity
from mnasnet.meters.file_size import FileSizeMeter
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.meters.meter import Meter, ReferencedMeter
from mnasnet.samplers.named import sampler_named
from mnasnet.samplers.ppo import PPOSettings
from mnasnet.search.settings import Settings
from mnasnet.search.watcher import Watcher
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import SPACES
from mnasnet.space.space import Space
from mnasnet.study.setup import Setup
from mnasnet.study.trial import read_known_values, read_trials
from mnasnet.train.data import ImageData, load
from mnasnet.train.loop import Recipe
from mnasnet.train.memory import busy_line

CHECKS: Mapping[str, Callable[[ReferencedMeter], Meter[Quantity]]] = {
    FILE_SIZE: lambda meter: FileSizeMeter(format=meter.format, precision=meter.precision),
}
"""What looks at each cost, beside latency, that can be limited; from the meter of latencies."""

IDENTIFYING_SETTINGS = (
    *(
        "image_size",
        "width",
        "quality",
        "target_ms",
        "max_ms",
        "max_mb",
        "reward",
        "precision",
        "seed",
        "threads",
    ),
    *("epochs", "batch_size", "learning_rate", "flip"),
)
"""Settings that the numbers of a search depend on as they are."""


class MakeSpace(Protocol):
    """Makes a space for images of one size and kind."""

    def __call__(self, *, image_size: int, in_channels: int, classes: int, width: float) -> Space:
        """The space of networks with this input and so many classes, at `width`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Session:
    """A search that is set up and may run."""

    settings: Settings
    study: optuna.Study
    setup: Setup
    data: ImageData
    space: Space
    control: Architecture
    """MobileNetV2 for the same images, at the same width."""
    meter: ReferencedMeter
    watcher: Watcher
    command: Sequence[str]
    """What the user called."""

    def make_recipe(self, *, epochs: int) -> Recipe:
        """How its networks are trained."""
        settings = self.settings
        return Recipe(
            epochs=epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            flip=settings.flip,
        )


def load_images(settings: Settings, watcher: Watcher) -> ImageData:
    """The images that are asked for, and what is said of them.

    Raises:
        RequestError: there are none, or fewer than a training step takes.
    """
    data = load(
        settings.data, image_size=settings.image_size, max_images=settings.max_images, progress=watcher.step
    )
    watcher.say(
        f"data: {data.name}, {len(data.classes)} classes, {len(data.train)} training and {len(data.held_out)} "
        f"held-out images at {data.image_size} px, {'grey' if data.channels == 1 else 'colour'}"
    )
    say_skipped(data.skipped, watcher)
    if settings.batch_size > len(data.train):
        raise RequestError(
            f"more than the {len(data.train)} training images: give fewer",
            field="batch_size",
            value=settings.batch_size,
        )
    if (busy := busy_line()) is not None:
        watcher.say(busy)
    return data


def say_skipped(skipped: Sequence[str], watcher: Watcher) -> None:
    """Name the corrupt images."""
    for image in skipped:
        watcher.say(f"skipped: {image}")


def pose_problem(
    settings: Settings, data: ImageData, make_space: MakeSpace | None
) -> tuple[Space, Architecture]:
    """The space and the control, for the images."""
    kind = {"image_size": data.image_size, "in_channels": data.channels, "classes": len(data.classes)}
    space = (make_space or SPACES[settings.space])(**kind, width=settings.width)
    return space, MOBILENET_V2.sized(**kind, width=settings.width)


def open_meter(
    settings: Settings, device: Device | None, control: Architecture, setup: Setup | None, watcher: Watcher
) -> ReferencedMeter:
    """What measures candidates against the control, in the unit of the search where that is known."""
    unit = None if setup is None else setup.reference
    if device is None:
        return settings.open_meter(control, unit=unit, precision=settings.precision, say=watcher.say)
    return LatencyMeter(device, control, unit=unit, precision=settings.precision, say=watcher.say)


def identify_search(
    settings: Settings, *, data: ImageData, space: Space, device: str, sampler: BaseSampler | None
) -> dict[str, Any]:
    """What makes this search this one: all that its numbers depend on, in plain JSON."""
    choices: dict[str, list[Any]] = {
        name: list(distribution.choices) for name, distribution in space.distributions.items()
    }
    # What its choices become is more than their names: two of its networks stand for that.
    ends = [
        space.decode({name: options[end] for name, options in choices.items()}).digest() for end in (0, -1)
    ]
    own_ppo = sampler is None and settings.sampler == "ppo"
    return {
        "data": data.fingerprint,
        "space": f"{space.name} {hashlib.sha256(json.dumps([choices, ends]).encode()).hexdigest()[:12]}",
        "trained on": "cuda" if torch.cuda.is_available() else "cpu",
        "sampler": settings.sampler if sampler is None else type(sampler).__name__,
        "ppo_batch": settings.ppo_batch or PPOSettings().batch if own_ppo else None,
        "device": device,
        **{name: getattr(settings, name) for name in IDENTIFYING_SETTINGS},
    }


def set_up(
    settings: Settings,
    identity: Mapping[str, Any],
    *,
    space: Space,
    meter: ReferencedMeter,
    watcher: Watcher,
    command: Sequence[str],
) -> Setup:
    """Time the reference and the smallest network, and settle target and limits.

    Raises:
        RequestError: no network of the space reaches the target or a limit.
    """
    watcher.step("timing the reference", 0, 2)
    reference = meter.measure_reference(launches=RELIABLE_LAUNCHES)
    watcher.step("timing the smallest network", 1, 2)
    smallest = smallest_network(space)
    smallest_ms = meter.measure_network(smallest).median_ms
    watcher.step("timing the smallest network", 2, 2)
    target_ms = reference.reference_ms if settings.target_ms is None else settings.target_ms
    max_ms = 2 * target_ms if settings.max_ms is None else settings.max_ms
    for field, limit_ms in (("target_ms", target_ms), ("max_ms", max_ms)):
        if smallest_ms > limit_ms:
            raise _out_of_reach(field, limit_ms, f"takes {smallest_ms:.4g} ms on {identity['device']}")
    setup = Setup(
        identity=identity,
        quality=settings.quality,
        reward=settings.reward,
        target_ms=target_ms,
        target_given=settings.target_ms is not None,
        limits={LATENCY: max_ms} | ({} if settings.max_mb is None else {FILE_SIZE: settings.max_mb}),
        reference=reference,
        smallest_ms=smallest_ms,
        command=shlex.join(command),
        data=settings.data,
    )
    for check in open_checks(setup, meter):
        with check:
            cost = check.measure_network(smallest)
        if setup.make_limits()[cost.name].excess(cost) > 0:
            raise _out_of_reach("max_mb", setup.limits[cost.name], f"takes {cost.value:.4g} {cost.unit}")
    return setup


def open_checks(setup: Setup, meter: ReferencedMeter) -> list[Meter[Quantity]]:
    """What looks at the costs that are limited, beside latency."""
    return [CHECKS[name](meter) for name in setup.limits if name != LATENCY]


def make_sampler(setup: Setup, settings: Settings, space: Space) -> BaseSampler:
    """The sampler that the settings name, which learns from the search's reward."""
    reward, max_ms = setup.make_reward(), setup.max_ms

    def reward_values(values: Sequence[float]) -> float | None:
        quality, latency_ms = values
        # The Bayesian sampler asks this of networks that are not timed yet: beyond the limit none is trained.
        return reward(quality=quality, latency_ms=latency_ms) if 0 < latency_ms <= max_ms else None

    return sampler_named(
        settings.sampler,
        seed=settings.seed,
        reward=reward_values,
        canonical=space.canonical,
        known=read_known_values,
        batch=settings.ppo_batch,
    )


def say_setup(session: Session) -> None:
    """What is searched, by whom, on which device and for which target."""
    setup, space, watcher = session.setup, session.space, session.watcher
    size = space.size()
    distinct = "" if size.distinct is None else f", {size.distinct:.2e} of them different"
    watcher.say(f"space: {space.name}, {size.nominal:.2e} combinations{distinct}")
    watcher.say(f"sampler: {setup.identity['sampler']}, seed {setup.identity['seed']}")
    reference = setup.reference
    took = f"took {reference.reference_ms:.3g} ms when the search began"
    if raw := reference.raw_reference_ms:
        took += f" (blocks of runs from {min(raw):.3g} to {max(raw):.3g})"
    if reference.predicted:
        took = f"took {reference.reference_ms:.3g} ms when the table was calibrated"
    watcher.say(
        f"device: {reference.device}, {reference.runtime}, "
        f"{reference.pinning}; MobileNetV2 {took}, the network of the fewest multiply-adds "
        f"{setup.smallest_ms:.3g} ms"
    )
    whose = "as asked" if setup.target_given else "what MobileNetV2 takes"
    watcher.say(f"target: {setup.target_ms:.3g} ms ({whose}); above {setup.max_ms:.3g} ms nothing is trained")
    if setup.quality != "accuracy":
        watcher.say(f"quality: {setup.quality_measure.name}")
    for name, limit in setup.make_limits().items():
        if name != LATENCY:
            watcher.say(f"limit: {limit.describe()}; nothing beyond it is timed or trained")
    if records := read_trials(session.study):
        trained = counted(sum(record.charged for record in records), "network")
        watcher.say(f"going on with {trained} trained in {counted(len(records), 'trial')} before")


def _out_of_reach(field: str, limit: float, takes: str) -> RequestError:
    return RequestError(
        f"out of reach: the smallest network of the space {takes}; raise it, or lower `width` or `image_size`",
        field=field,
        value=float(f"{limit:.4g}"),
    )
