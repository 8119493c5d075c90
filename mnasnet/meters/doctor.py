"""Is a device fit for measuring? Its card, its noise, what a measurement costs, and what to do about it."""

import dataclasses
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnasnet.arch.networks import MNASNET_A1
from mnasnet.arch.records import DeviceCard
from mnasnet.devices.device import Device
from mnasnet.devices.timing import HOT_C
from mnasnet.measures.latency import Latency
from mnasnet.meters.latency import RELIABLE_LAUNCHES, student_quantile
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.meters.network_size import NetworkSize

# Where a person should be told. The figures are in docs/measuring.md.
IDLE_SHARE = 0.9
"""A core of which less than this is left is kept busy by something: an idle one has 98 to 100 %
(`benchmarks/evidence.jsonl`, free-core)."""
QUIET_NOISE = 0.02
"""Half-width of the interval of a network against itself that a quiet device stays below: this project's aim."""
STEADY_SPREAD = 0.10
"""Raw times that move by more than this say nothing from one measurement to the next: it is twice what makes a
block a disturbed one."""
DISTURBED_SHARE = 0.3
"""Share of blocks thrown away from which on a device is called disturbed: with both cores busy it was 37 %
(`benchmarks/evidence.jsonl`, disturbed-share)."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that makes latencies worse, and the way out."""

    what: str
    todo: str


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found."""

    card: DeviceCard
    idle: Mapping[int, float]
    """Share of each core that was left to a measurement."""
    sentinel: Latency
    """MobileNetV2 against a copy of itself."""
    candidate: Latency
    """MnasNet-A1, as a search would time it."""
    candidate_s: float
    """How long that took, its file written and sent included."""
    finalist_s: float
    """How long the sentinel's several launches took."""

    @property
    def noise(self) -> float:
        """How far a network may be off a copy of itself in several launches, as a fraction: the far end of the
        sentinel's interval."""
        unit_ms = self.sentinel.reference_ms
        return max(self.sentinel.high_ms / unit_ms, unit_ms / self.sentinel.low_ms) - 1

    @property
    def single_noise(self) -> float | None:
        """The same for one launch, as a search times its candidates; None where the sentinel had too few."""
        spread = self.sentinel.launch_spread
        return None if spread is None else math.exp(student_quantile(self.sentinel.launches) * spread) - 1

    @property
    def raw_spread(self) -> float:
        """By how much the sentinel's own time moved, slowest undisturbed block over fastest less 1."""
        return max(self.sentinel.raw_reference_ms) / min(self.sentinel.raw_reference_ms) - 1

    def problems(self) -> list[Problem]:
        """What is wrong with the device for measuring, the worst first."""
        return list(_find_problems(self))

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return {
            "card": self.card.to_json(),
            "idle": {str(core): share for core, share in self.idle.items()},
            "noise": self.noise,
            "single_noise": self.single_noise,
            "raw_spread": self.raw_spread,
            "disturbed": self.sentinel.disturbed,
            "candidate_s": self.candidate_s,
            "finalist_s": self.finalist_s,
            "sentinel": self.sentinel.to_json(),
            "candidate": self.candidate.to_json(),
            "problems": [dataclasses.asdict(problem) for problem in self.problems()],
        }


def examine_device(device: Device, size: NetworkSize) -> Examination:
    """Asks and measures `device`, with networks of the size that will be searched.

    Raises:
        UnsuitableError: it can never measure as it was asked to.
        DeviceError: it does not answer or cannot measure.
    """
    card = device.read_card()
    with LatencyMeter(device, size.reference) as meter:
        meter.prepare()
        idle = device.measure_idle_shares()
        begun = time.monotonic()
        sentinel = meter.measure_reference(launches=RELIABLE_LAUNCHES)
        finalist_s = time.monotonic() - begun
        begun = time.monotonic()
        candidate = meter.measure_file(
            meter.write_network(size.resize(MNASNET_A1), "candidate"), lenient=True
        )
        candidate_s = time.monotonic() - begun
    return Examination(
        card=card,
        idle=idle,
        sentinel=sentinel,
        candidate=candidate,
        candidate_s=candidate_s,
        finalist_s=finalist_s,
    )


def _find_problems(found: Examination) -> Iterator[Problem]:
    card = found.card
    # Idle cores that are slow now and then belong to a machine of which others have a share.
    quieter = (
        "nothing was seen to run there, so it is others on the same machine: come back in a quieter hour"
        if found.idle and min(found.idle.values()) >= IDLE_SHARE
        else "stop what else runs there"
    )
    for core, share in found.idle.items():
        if share < IDLE_SHARE:
            measured = " on which measurements run" if core in card.pinned else ""
            yield Problem(
                what=f"something else keeps core {core} busy{measured}: {share:.0%} of it is left",
                todo="the program top shows there what; stop it, or live with the noise floor above",
            )
    if found.candidate.not_delegated:
        yield Problem(
            what=f"{', '.join(found.candidate.not_delegated)} of MnasNet-A1 fall back to slower kernels",
            todo="take a newer LiteRT there",
        )
    if card.temperature_c is not None and card.temperature_c > HOT_C:
        yield Problem(
            what=f"it is {card.temperature_c:.0f} °C warm, and slows itself down when it gets hotter",
            todo=f"let it cool below {HOT_C:.0f} °C, out of its case and off its charger",
        )
    if found.noise > QUIET_NOISE:
        yield Problem(
            what=f"a network differs from a copy of itself by up to {found.noise:.1%}, where a quiet device has "
            f"{QUIET_NOISE:.0%}",
            todo=f"{quieter}, or take differences below that for nothing",
        )
    if found.sentinel.disturbed > DISTURBED_SHARE:
        yield Problem(
            what=f"{found.sentinel.disturbed:.0%} of the blocks were disturbed and thrown away",
            todo=f"{quieter}; measurements take up to twice as long",
        )
    if found.raw_spread > STEADY_SPREAD:
        yield Problem(
            what=f"the same network's raw times moved by {found.raw_spread:.0%}",
            todo="trust ratios measured alternately, as all of mnasnet's are, and no raw time",
        )
    timed_on = [core for core in card.cores if not card.pinned or core.number in card.pinned]
    governors = sorted({core.governor for core in timed_on if core.governor is not None})
    if governors and governors != ["performance"]:
        yield Problem(
            what=f"the governor is {', '.join(governors)}: the frequency follows the load",
            todo="as root, where you can be: echo performance | tee "
            "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; else trust ratios and no raw time",
        )
    if card.threads == 1 and not card.pinned:
        yield Problem(
            what="measurements are not pinned to a core, and move between fast and slow ones",
            todo="nothing can be done on a system that has no call for it; expect more noise",
        )


def examination_lines(found: Examination) -> Iterator[str]:
    """What was measured, in words."""
    if found.idle:
        left = ", ".join(f"core {core} {share:.0%}" for core, share in found.idle.items())
        yield f"left by others, measured: {left}"
    raw = found.sentinel.raw_reference_ms
    yield (
        f"sentinel: MobileNetV2 {found.sentinel.reference_ms:.4g} ms, blocks from {min(raw):.4g} to {max(raw):.4g} "
        f"({found.raw_spread:.0%}), {found.sentinel.disturbed:.0%} thrown away"
    )
    single = "" if found.single_noise is None else f", ± {found.single_noise:.2%} in a single one"
    yield (
        f"noise floor: ± {found.noise:.2%}, MobileNetV2 against a copy of itself in {RELIABLE_LAUNCHES} "
        f"launches{single}"
    )
    latency = found.candidate
    yield (
        f"MnasNet-A1: {latency.median_ms:.4g} [{latency.low_ms:.4g}, {latency.high_ms:.4g}] ms, raw median "
        f"{statistics.median(latency.raw_ms):.4g}"
        if latency.raw_ms
        else f"MnasNet-A1: {latency.median_ms:.4g} ms"
    )
    yield (
        f"a candidate of its size takes {found.candidate_s:.1f} s in a search, a finalist {found.finalist_s:.1f} s"
    )
