"""What an Android phone says of itself, asked in one go: its cores and their state, its model and its heat."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mnasnet.arch.records import Core

PHONE_CPU_FOLDER = "/sys/devices/system/cpu"
PHONE_THERMAL_FOLDER = "/sys/class/thermal"
_CORES, _ZONES = f"{PHONE_CPU_FOLDER}/cpu[0-9]*", f"{PHONE_THERMAL_FOLDER}/thermal_zone*"
PHONE_QUESTIONS = f"""
echo "model:$(getprop ro.product.model)"
echo "release:$(getprop ro.build.version.release)"
echo "abi:$(getprop ro.product.cpu.abi)"
ls -d {_CORES}
grep -sH . {_CORES}/cpufreq/cpuinfo_max_freq {_CORES}/cpufreq/scaling_cur_freq
grep -sH . {_CORES}/cpufreq/scaling_governor {_ZONES}/type {_ZONES}/temp
true
"""
IDLE_QUESTION = "grep '^cpu[0-9]' /proc/stat; sleep 0.5; grep '^cpu[0-9]' /proc/stat"
"""What the system counted of each core, twice."""


@dataclass(frozen=True, kw_only=True)
class PhoneFacts:
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


def parse_phone_facts(output: str) -> PhoneFacts:
    """What the answer to `PHONE_QUESTIONS` says."""
    said = dict(line.partition(":")[::2] for line in output.splitlines() if ":" in line)
    numbers = sorted(
        int(number) for number in re.findall(rf"^{PHONE_CPU_FOLDER}/cpu(\d+)$", output, re.MULTILINE)
    )

    def mhz(number: int, what: str) -> float | None:
        khz = said.get(f"{PHONE_CPU_FOLDER}/cpu{number}/cpufreq/{what}", "")
        return int(khz) / 1000 if khz.isdigit() else None

    return PhoneFacts(
        model=said.get("model") or "unknown model",
        release=said.get("release") or "of unknown version",
        abi=said.get("abi") or "unknown",
        cores=tuple(
            Core(
                number=number,
                most_mhz=mhz(number, "cpuinfo_max_freq"),
                now_mhz=mhz(number, "scaling_cur_freq"),
                governor=said.get(f"{PHONE_CPU_FOLDER}/cpu{number}/cpufreq/scaling_governor"),
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
        if path.startswith(PHONE_THERMAL_FOLDER) and path.endswith("/temp") and re.fullmatch(r"-?\d+", value):
            # Thousandths of a degree, on some phones degrees.
            degrees = int(value) / 1000 if abs(int(value)) >= 1000 else float(value)
            zones.append((said.get(path.removesuffix("temp") + "type", ""), degrees))
    of_cores = [degrees for kind, degrees in zones if "cpu" in kind.lower()]
    return max(of_cores or [degrees for _, degrees in zones], default=None)


def parse_idle_shares(output: str) -> dict[int, float]:
    """The share of each core that was idle between the two countings of `IDLE_QUESTION`."""
    counted: dict[int, list[tuple[int, int]]] = {}
    for core, ticks in re.findall(r"^cpu(\d+) (.*)$", output, re.MULTILINE):
        numbers = [int(tick) for tick in ticks.split()[:8]]  # user, nice, system, idle, waiting for a disk, …
        counted.setdefault(int(core), []).append((numbers[3] + numbers[4], sum(numbers)))
    return {
        core: (after[0] - before[0]) / (after[1] - before[1])
        for core, (before, *_, after) in ((core, ticks) for core, ticks in counted.items() if len(ticks) > 1)
        if after[1] > before[1]
    }
