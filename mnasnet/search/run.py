"""A whole search: data, device and target to trained, exported, measured networks; begun or gone on with."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import optuna
import torch
from optuna.samplers import BaseSampler

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.base.errors import RequestError, RunError
from mnasnet.base.words import counted, first_line
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.report.findings import Findings, find
from mnasnet.report.report import write_report
from mnasnet.samplers.named import sampler_named
from mnasnet.samplers.ppo import PPOSampler, PPOSettings
from mnasnet.search.finalists import Candidate, Finishing, choose
from mnasnet.search.loop import FAILURES, Measure, run_trials
from mnasnet.search.settings import Settings
from mnasnet.search.watcher import SILENT, Tally, Watcher
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import SPACES
from mnasnet.space.space import Space
from mnasnet.study.lock import only_process_in
from mnasnet.study.reward import Reward
from mnasnet.study.storage import (
    Setup,
    check_identity,
    create_study,
    end_interrupted,
    find_study,
    keep_place,
    kept_in,
    only_search_at,
    place_of,
    read_setup,
    shown,
    write_setup,
)
from mnasnet.study.trial import TrialRecord, known_of_pruned, read_trials
from mnasnet.train.data import ImageData, load
from mnasnet.train.loop import ProxyTraining, Recipe
from mnasnet.train.memory import busy_line

CONTROL = "mobilenet-v2"
"""Name of the network that the paper compares with; the reference of every timing too."""


class MakeSpace(Protocol):
    """Makes a space for images of one size and kind."""

    def __call__(self, *, image_size: int, in_channels: int, classes: int, width: float) -> Space:
        """The space of networks with this input and so many classes, at `width`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a search leaves behind."""

    study: optuna.Study
    findings: Findings
    report: Path
    controller_updates: int | None
    """How often a learning sampler has learned; None where none learns."""
    converged: str | None
    """Why it stopped before the trials that were asked for; None where it did not."""
    skipped: tuple[str, ...]
    """Corrupt images, by path or row, with the reason; the test images' only where finalists were tested."""


def search(
    settings: Settings,
    *,
    sampler: BaseSampler | None = None,
    make_space: MakeSpace | None = None,
    device: Device | None = None,
    watcher: Watcher = SILENT,
    command: Sequence[str] = ("mnasnet", "search"),
) -> Result:
    """Search as `settings` ask, or go on with the search that their folder holds.

    Any Optuna sampler, space and device may stand in for the ones that the settings name; the study remembers a
    sampler by its class, so whoever goes on with other arguments than before is not told. Everything finished is
    in the study and the folder at any time: whatever stops this call, the same call goes on where it was.

    Raises:
        RequestError: the request cannot be served, and nothing was changed: a setting or the images are at fault,
            the folder holds another search, or the storage does not answer.
        RunError, OSError: what failed while running; all that was finished is kept. A lost device or storage
            (`DeviceLostError`, `StorageLostError`) may come back.
    """
    out = settings.folder
    place = place_of(out, settings.storage)
    with only_process_in(out), only_search_at(place) as still_held, kept_in(place):
        keep_place(out, place)
        # What cannot be served is said before anything is paid for: the storage, then the images.
        study = find_study(place)
        data = _load(settings, watcher)
        input_kind = {
            "image_size": data.image_size,
            "in_channels": data.channels,
            "classes": len(data.classes),
        }
        space = (make_space or SPACES[settings.space])(**input_kind, width=settings.width)
        control = MOBILENET_V2.sized(**input_kind, width=settings.width)
        setup = None if study is None else read_setup(study)
        with _open_meter(settings, device, control, setup, watcher) as meter:
            identity = _identity(settings, data=data, space=space, device=meter.name, sampler=sampler)
            if setup is not None:
                check_identity(setup, identity, where=str(out) if settings.storage is None else shown(place))
            meter.prepare()
            if setup is None:
                setup = _set_up(
                    settings, identity, space=space, meter=meter, watcher=watcher, command=command
                )
            study = create_study(place)
            if read_setup(study) is None:
                write_setup(study, setup)
            study.sampler = sampler or _sampler(
                settings, space=space, reward=setup.rewarded(), max_ms=setup.max_ms
            )
            end_interrupted(study)
            _say_setup(setup, space, study, watcher)
            converged = _search_trials(
                settings,
                study=study,
                setup=setup,
                data=data,
                space=space,
                measure=meter.measure_network,
                watcher=watcher,
                still_held=still_held,
            )
            candidates = choose(find(study, out), count=settings.finalists) if settings.finalists else []
            tested: Sequence[str] = ()
            failed: list[str] = []
            if candidates:
                candidates.append(Candidate(name=CONTROL, architecture=control, record=None))
                with _open_final_meter(meter, control, settings, setup, watcher) as final_meter:
                    finishing = Finishing(
                        folder=out / "finalists",
                        data=data,
                        recipe=_recipe(settings, epochs=settings.final_epochs),
                        seed=settings.seed,
                        meter=final_meter,
                        command=command,
                    )
                    tested, failed = _finish(candidates, finishing, watcher)
        sampler = study.sampler
        result = Result(
            study=study,
            findings=find(study, out),
            report=write_report(study, out),
            controller_updates=sampler.updates(study) if isinstance(sampler, PPOSampler) else None,
            converged=converged,
            skipped=(*data.skipped, *tested),
        )
        if failed:
            raise RunError(f"no finalist of {'; '.join(failed)}; all else is in {result.report}")
        return result


def _open_meter(
    settings: Settings, device: Device | None, control: Architecture, setup: Setup | None, watcher: Watcher
) -> ReferencedMeter:
    """What measures candidates against the control, in the unit of the search where that is known."""
    unit = None if setup is None else setup.reference
    if device is None:
        return settings.open_meter(control, unit=unit, precision=settings.precision, say=watcher.say)
    return LatencyMeter(device, control, unit=unit, precision=settings.precision, say=watcher.say)


@contextmanager
def _open_final_meter(
    meter: ReferencedMeter, control: Architecture, settings: Settings, setup: Setup, watcher: Watcher
) -> Iterator[ReferencedMeter]:
    """What measures the finalists: where candidates were predicted the device itself, if it is there."""
    calibrated = meter.calibrated_device
    if calibrated is None:
        yield meter
        return
    device: Device | None = None
    try:
        device = replace(settings, device=calibrated.name).open_device()
        found = device.read_card().name
    except (DeviceError, RequestError) as error:
        if device is not None:
            device.close()
        watcher.say(f"finalists keep the table's predictions, {calibrated.name} is not at hand: {error}")
        yield meter
        return
    with _open_meter(settings, device, control, setup, watcher) as final_meter:
        if found != calibrated.card.name:
            watcher.say(f"finalists keep the table's predictions: {calibrated.name} is now {found}")
            yield meter
            return
        watcher.say(f"finalists are measured on {found}")
        yield final_meter


def _finish(
    candidates: Sequence[Candidate], finishing: Finishing, watcher: Watcher
) -> tuple[Sequence[str], list[str]]:
    """Make finalists of the candidates; the corrupt test images, and which candidates failed and why.

    One that fails does not keep the others from what they are worth.
    """
    try:
        skipped = finishing.data.test.skipped
    except RequestError as error:
        return (), [f"{len(candidates)}, the test images cannot be used: {error}"]
    _say_skipped(skipped, watcher)
    failed = []
    for number, candidate in enumerate(candidates, start=1):
        what = f"final training {number} of {len(candidates)}, {candidate.name}"
        try:
            finishing.finish(candidate, progress=partial(watcher.step, what))
        except DeviceLostError:
            raise  # the next one could not be measured either
        except FAILURES as error:
            failed.append(f"{candidate.name}, {first_line(error)}")
            watcher.say(f"{what} failed: {first_line(error)}")
    return skipped, failed


def _search_trials(
    settings: Settings,
    *,
    study: optuna.Study,
    setup: Setup,
    data: ImageData,
    space: Space,
    measure: Measure,
    watcher: Watcher,
    still_held: Callable[[], None],
) -> str | None:
    """Run the loop with its parts; why it stopped before the trials that were asked for, or None."""
    tally = Tally(
        watcher,
        records=read_trials(study),
        reward=setup.rewarded(),
        trials=settings.trials,
        final_trainings=settings.finalists + 1 if settings.finalists else 0,
        final_images=settings.final_epochs * len(data.train_and_held_out),
    )

    def told(record: TrialRecord) -> None:
        tally.told(record)
        still_held()

    estimate = ProxyTraining(
        data=data,
        recipe=_recipe(settings, epochs=settings.epochs),
        seed=settings.seed,
        progress=partial(watcher.step, "training"),
    )
    try:
        return run_trials(
            study,
            space=space,
            measure=measure,
            estimate=estimate,
            trials=settings.trials,
            max_ms=setup.max_ms,
            told=told,
        )
    except KeyboardInterrupt:
        end_interrupted(study)  # a report must not say that something still runs
        raise


def _recipe(settings: Settings, *, epochs: int) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        flip=settings.flip,
    )


def _load(settings: Settings, watcher: Watcher) -> ImageData:
    data = load(
        settings.data, image_size=settings.image_size, max_images=settings.max_images, progress=watcher.step
    )
    watcher.say(
        f"data: {data.name}, {len(data.classes)} classes, {len(data.train)} training and {len(data.held_out)} "
        f"held-out images at {data.image_size} px, {'grey' if data.channels == 1 else 'colour'}"
    )
    _say_skipped(data.skipped, watcher)
    if settings.batch_size > len(data.train):
        raise RequestError(
            f"more than the {len(data.train)} training images: give fewer",
            field="batch_size",
            value=settings.batch_size,
        )
    if (busy := busy_line()) is not None:
        watcher.say(busy)
    return data


def _say_skipped(skipped: Sequence[str], watcher: Watcher) -> None:
    for image in skipped:
        watcher.say(f"skipped: {image}")


def _identity(
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
    return {
        "data": data.fingerprint,
        "space": f"{space.name} {hashlib.sha256(json.dumps([choices, ends]).encode()).hexdigest()[:12]}",
        "trained on": "cuda" if torch.cuda.is_available() else "cpu",
        "sampler": settings.sampler if sampler is None else type(sampler).__name__,
        "batch": settings.batch or PPOSettings().batch
        if sampler is None and settings.sampler == "ppo"
        else None,
        "device": device,
        **{
            name: getattr(settings, name)
            for name in (
                *("image_size", "width", "target_ms", "max_ms", "reward", "precision", "seed", "threads"),
                *("epochs", "batch_size", "learning_rate", "flip"),
            )
        },
    }


def _set_up(
    settings: Settings,
    identity: Mapping[str, Any],
    *,
    space: Space,
    meter: ReferencedMeter,
    watcher: Watcher,
    command: Sequence[str],
) -> Setup:
    """Time the reference and the smallest network, and settle the target.

    Raises:
        RequestError: no network of the space reaches the target or the limit.
    """
    watcher.step("timing the reference", 0, 2)
    reference = meter.measure_reference(launches=RELIABLE_LAUNCHES)
    watcher.step("timing the smallest network", 1, 2)
    smallest = meter.measure_network(smallest_network(space))
    watcher.step("timing the smallest network", 2, 2)
    target_ms = reference.reference_ms if settings.target_ms is None else settings.target_ms
    max_ms = 2 * target_ms if settings.max_ms is None else settings.max_ms
    for field, limit_ms in (("target_ms", target_ms), ("max_ms", max_ms)):
        if smallest.median_ms > limit_ms:
            raise RequestError(
                f"out of reach: the smallest network of the space takes {smallest.median_ms:.4g} ms on "
                f"{identity['device']}; raise it, or lower `width` or `image_size`",
                field=field,
                value=float(f"{limit_ms:.4g}"),
            )
    return Setup(
        identity=identity,
        reward=settings.reward,
        target_ms=target_ms,
        target_given=settings.target_ms is not None,
        max_ms=max_ms,
        reference=reference,
        smallest_ms=smallest.median_ms,
        command=shlex.join(command),
        data=settings.data,
    )


def _sampler(settings: Settings, *, space: Space, reward: Reward, max_ms: float) -> BaseSampler:
    def worth(values: Sequence[float]) -> float | None:
        accuracy, latency_ms = values
        # The Bayesian sampler asks this of networks that are not timed yet: beyond the limit none is trained.
        return reward(accuracy=accuracy, latency_ms=latency_ms) if 0 < latency_ms <= max_ms else None

    return sampler_named(
        settings.sampler,
        seed=settings.seed,
        reward=worth,
        canonical=space.canonical,
        known=known_of_pruned,
        batch=settings.batch,
    )


def _say_setup(setup: Setup, space: Space, study: optuna.Study, watcher: Watcher) -> None:
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
    if records := read_trials(study):
        trained = counted(sum(record.charged for record in records), "network")
        watcher.say(f"going on with {trained} trained in {counted(len(records), 'trial')} before")
