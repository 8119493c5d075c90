"""What an Android phone says of itself, asked in one go: its cores and their state, its model and its heat."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mnasnet.arch.records import Core

CPUS = "/sys/devices/system/cpu"
ZONES = "/sys/class/thermal"
ASK = f"""
echo "model:$(getprop ro.product.model)"
echo "release:$(getprop ro.build.version.release)"
echo "abi:$(getprop ro.product.cpu.abi)"
ls -d {CPUS}/cpu[0-9]*
grep -sH . {CPUS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq
grep -sH . {CPUS}/cpu[0-9]*/cpufreq/scaling_governor {ZONES}/thermal_zone*/type {ZONES}/thermal_zone*/temp
true
"""
IDLE = "grep '^cpu[0-9]' /proc/stat; sleep 0.5; grep '^cpu[0-9]' /proc/stat"
"""What the system counted of each core, twice."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a phone says of itself."""

    model: str
    release: str
    """Of Android."""
    abi: str
    cores: tuple[Core, ...]
    temperature_c: float | None

    def fastest(self, threads: int) -> tuple[int, ...]:
        """The cores of the fastest cluster, and of further ones until each thread can have a core.

        Empty where the phone does not tell its frequencies. A core that tells none is taken for one that is off.
        """
        chosen: list[int] = []
        for mhz in sorted({core.most_mhz for core in self.cores if core.most_mhz is not None}, reverse=True):
            if len(chosen) < threads:
                chosen += [core.number for core in self.cores if core.most_mhz == mhz]
        return tuple(sorted(chosen))


def about_of(output: str) -> About:
    """What the answer to `ASK` says."""
    said = dict(line.partition(":")[::2] for line in output.splitlines() if ":" in line)
    numbers = sorted(int(number) for number in re.findall(rf"^{CPUS}/cpu(\d+)$", output, re.MULTILINE))

    def mhz(number: int, what: str) -> float | None:
        khz = said.get(f"{CPUS}/cpu{number}/cpufreq/{what}", "")
        return int(khz) / 1000 if khz.isdigit() else None

    return About(
        model=said.get("model") or "unknown model",
        release=said.get("release") or "of unknown version",
        abi=said.get("abi") or "unknown",
        cores=tuple(
            Core(
                number=number,
                most_mhz=mhz(number, "cpuinfo_max_freq"),
                now_mhz=mhz(number, "scaling_cur_freq"),
                governor=said.get(f"{CPUS}/cpu{number}/cpufreq/scaling_governor"),
            )
            for number in numbers
        ),
        temperature_c=_temperature_c(said),
    )


def _temperature_c(said: Mapping[str, str]) -> float | None:
    """Of the warmest sensor of a core, or of any where none is called after one.

    The others are no temperatures of the chip: a `soc` may be the state of charge, 0 to 100.
    """
    zones: list[tuple[str, float]] = []
    for path, value in said.items():
        if path.startswith(ZONES) and path.endswith("/temp") and re.fullmatch(r"-?\d+", value):
            # Thousandths of a degree, on some phones degrees.
            degrees = int(value) / 1000 if abs(int(value)) >= 1000 else float(value)
            zones.append((said.get(path.removesuffix("temp") + "type", ""), degrees))
    of_cores = [degrees for kind, degrees in zones if "cpu" in kind.lower()]
    return max(of_cores or [degrees for _, degrees in zones], default=None)


def idle_of(output: str) -> dict[int, float]:
    """The share of each core that was idle between the two countings of `IDLE`."""
    counted: dict[int, list[tuple[int, int]]] = {}
    for core, ticks in re.findall(r"^cpu(\d+) (.*)$", output, re.MULTILINE):
        numbers = [int(tick) for tick in ticks.split()[:8]]  # user, nice, system, idle, waiting for a disk, …
        counted.setdefault(int(core), []).append((numbers[3] + numbers[4], sum(numbers)))
    return {
        core: (after[0] - before[0]) / (after[1] - before[1])
        for core, (before, *_, after) in ((core, ticks) for core, ticks in counted.items() if len(ticks) > 1)
        if after[1] > before[1]
    }
