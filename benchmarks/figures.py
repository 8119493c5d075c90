"""What all benchmarks say alike: the machine, and tables of medians with their spread."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from mnasnet.devices.runner import processor_name


def machine(*packages: str) -> str:
    """The processor, its cores, the load on them, and the versions of Python and `packages`, in one line."""
    cores = f"{os.cpu_count()} cores"
    if hasattr(os, "getloadavg"):
        cores += f" (load average {os.getloadavg()[0]:.1f} at the start)"
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{processor_name()}, {cores}, {platform.system()}, Python {platform.python_version()}, {versions}"


def table(unit: str, rows: Mapping[str, Sequence[float]], *, decimals: int) -> str:
    """A Markdown table: of each row the median, the middle half, and how many values there are."""
    lines = [f"| | median, {unit} | middle half, {unit} | values |", "|---|---|---|---|"]
    for name, values in rows.items():
        low, median, high = (f"{value:,.{decimals}f}" for value in quartiles(values))
        lines.append(f"| {name} | {median} | {low} to {high} | {len(values)} |")
    return "\n".join(lines)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The values a quarter, half and three quarters of the way up, interpolated between the nearest two."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high
