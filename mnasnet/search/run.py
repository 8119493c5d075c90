"""A whole search: data, device and target to trained, exported, measured networks; begun or gone on with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler

from mnasnet.analysis.findings import Findings, read_findings
from mnasnet.analysis.recommendation import choose_finalists
from mnasnet.base.errors import RequestError, RunError
from mnasnet.base.words import first_line
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.report.report import write_report
from mnasnet.samplers.ppo import PPOSampler
from mnasnet.search.finalists import Candidate, Finishing, candidates_of
from mnasnet.search.loop import FAILURES, TrialSteps, run_trials
from mnasnet.search.preparation import (
    MakeSpace,
    Session,
    identify_search,
    load_images,
    make_sampler,
    open_checks,
    open_meter,
    pose_problem,
    say_setup,
    say_skipped,
    set_up,
)
from mnasnet.search.settings import Settings
from mnasnet.search.watcher import SILENT, Tally, Watcher
from mnasnet.study.lock import only_process_in
from mnasnet.study.setup import check_identity, read_setup, write_setup
from mnasnet.study.storage import (
    create_study,
    end_interrupted,
    find_study,
    keep_place,
    kept_in,
    only_search_at,
    place_of,
    shown,
)
from mnasnet.study.trial import TrialRecord, read_trials
from mnasnet.train.loop import ProxyTraining

CONTROL = "mobilenet-v2"
"""Name of the network that the paper compares with; the reference of every timing too."""


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
        data = load_images(settings, watcher)
        space, control = pose_problem(settings, data, make_space)
        setup = None if study is None else read_setup(study)
        with open_meter(settings, device, control, setup, watcher) as meter:
            identity = identify_search(settings, data=data, space=space, device=meter.name, sampler=sampler)
            if setup is not None:
                check_identity(setup, identity, where=str(out) if settings.storage is None else shown(place))
            meter.prepare()
            if setup is None:
                setup = set_up(settings, identity, space=space, meter=meter, watcher=watcher, command=command)
            study = create_study(place, quality=setup.quality_measure.name)
            if read_setup(study) is None:
                write_setup(study, setup)
            study.sampler = sampler or make_sampler(setup, settings, space)
            end_interrupted(study)
            session = Session(
                settings=settings,
                study=study,
                setup=setup,
                data=data,
                space=space,
                control=control,
                meter=meter,
                watcher=watcher,
                command=command,
            )
            say_setup(session)
            converged = _search_trials(session, still_held)
            tested, failed = _finish(session, out)
        return _conclude(session, out, converged=converged, tested=tested, failed=failed)


def _conclude(
    session: Session, out: Path, *, converged: str | None, tested: Sequence[str], failed: Sequence[str]
) -> Result:
    """The result, with its report.

    Raises:
        RunError: a finalist failed.
    """
    sampler = session.study.sampler
    result = Result(
        study=session.study,
        findings=read_findings(session.study, out),
        report=write_report(session.study, out),
        controller_updates=sampler.updates(session.study) if isinstance(sampler, PPOSampler) else None,
        converged=converged,
        skipped=(*session.data.skipped, *tested),
    )
    if failed:
        raise RunError(f"no finalist of {'; '.join(failed)}; all else is in {result.report}")
    return result


def _search_trials(session: Session, still_held: Callable[[], None]) -> str | None:
    """Run the loop with its parts; why it stopped before the trials that were asked for, or None."""
    settings, setup, data = session.settings, session.setup, session.data
    tally = Tally(
        session.watcher,
        records=read_trials(session.study),
        reward=setup.make_reward(),
        trials=settings.trials,
        final_trainings=settings.finalists + 1 if settings.finalists else 0,
        final_images=settings.final_epochs * len(data.train_and_held_out),
    )

    def report_trial(record: TrialRecord) -> None:
        tally.report_trial(record)
        still_held()

    with ExitStack() as stack:
        checks = [stack.enter_context(check) for check in open_checks(setup, session.meter)]
        steps = TrialSteps(
            space=session.space,
            checks=[check.measure_network for check in checks],
            measure=session.meter.measure_network,
            estimate=ProxyTraining(
                data=data,
                recipe=session.make_recipe(epochs=settings.epochs),
                seed=settings.seed,
                quality=setup.quality_measure,
                progress=partial(session.watcher.step, "training"),
            ),
            limits=setup.make_limits(),
        )
        try:
            return run_trials(session.study, steps, trials=settings.trials, report_trial=report_trial)
        except KeyboardInterrupt:
            end_interrupted(session.study)  # a report must not say that something still runs
            raise


def _finish(session: Session, out: Path) -> tuple[Sequence[str], Sequence[str]]:
    """Make the finalists; the corrupt test images, and which candidates failed and why."""
    settings = session.settings
    if not settings.finalists:
        return (), ()
    found = read_findings(session.study, out)
    candidates = candidates_of(choose_finalists(found, count=settings.finalists))
    if not candidates:
        return (), ()
    candidates.append(Candidate(name=CONTROL, architecture=session.control, record=None))
    with _open_final_meter(session) as meter:
        finishing = Finishing(
            folder=out / "finalists",
            data=session.data,
            recipe=session.make_recipe(epochs=settings.final_epochs),
            measure=session.setup.quality_measure,
            seed=settings.seed,
            meter=meter,
            command=session.command,
        )
        return _finish_candidates(candidates, finishing, session.watcher)


def _finish_candidates(
    candidates: Sequence[Candidate], finishing: Finishing, watcher: Watcher
) -> tuple[Sequence[str], Sequence[str]]:
    """Make finalists of the candidates; the corrupt test images, and which candidates failed and why.

    One that fails does not keep the others from what they are worth.
    """
    try:
        skipped = finishing.data.test.skipped
    except RequestError as error:
        return (), [f"{len(candidates)}, the test images cannot be used: {error}"]
    say_skipped(skipped, watcher)
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


@contextmanager
def _open_final_meter(session: Session) -> Iterator[ReferencedMeter]:
    """What measures the finalists: where candidates were predicted the device itself, if it is there."""
    meter, watcher = session.meter, session.watcher
    calibrated = meter.calibrated_device
    if calibrated is None:
        yield meter
        return
    device: Device | None = None
    try:
        device = replace(session.settings, device=calibrated.name).open_device()
        found = device.read_card().name
    except (DeviceError, RequestError) as error:
        if device is not None:
            device.close()
        watcher.say(f"finalists keep the table's predictions, {calibrated.name} is not at hand: {error}")
        yield meter
        return
    with open_meter(session.settings, device, session.control, session.setup, watcher) as final_meter:
        if found != calibrated.card.name:
            watcher.say(f"finalists keep the table's predictions: {calibrated.name} is now {found}")
            yield meter
            return
        watcher.say(f"finalists are measured on {found}")
        yield final_meter
