"""What LiteRT's benchmark_model prints: the time of a network, and what its delegate left out.

Read from its source (`tflite/tools/benchmark` and `stats_calculator.h` of LiteRT), and from outputs that people
published, of versions from 2.2 on.
"""

import re
from dataclasses import dataclass

LAST_OUTPUT_LINES = 3
"""Lines of the tool's output that tell why it failed."""


@dataclass(frozen=True, kw_only=True)
class ToolRun:
    """What one run of the tool said."""

    ms: float
    statistic: str
    """`median`, or `mean` where it tells no median."""
    runs: int
    not_delegated: tuple[str, ...]


def parse_run(output: str) -> ToolRun | None:
    """What one run of benchmark_model printed: times are in µs, and its last summary is that of the timed runs.

        INFO: count=50 first=1238 curr=1240 min=1233 max=1310 avg=1240.27 std=12 p5=1235 median=1239 p95=1251

    Older ones end with `std=`, and runs that took all the same read `count=50 curr=1240(all same)`. None where the
    summary of the timed runs is not there, or not known to be whole: one more line follows it.
    """
    before, whole, _ = output.rpartition("Inference timings in us:")
    summaries = re.findall(r"^.*\bcount=\d.*$", before, re.MULTILINE)
    if not (whole and summaries):
        return None
    said = dict(re.findall(r"\b(\w+)=([-+.\de]+)", summaries[-1]))
    key = next((key for key in ("median", "avg", "curr") if key in said), None)
    if key is None or not float(said[key]) > 0:
        return None
    return ToolRun(
        ms=float(said[key]) / 1000,
        statistic="median" if key == "median" else "mean",
        runs=int(said["count"]),
        not_delegated=parse_undelegated(output),
    )


def parse_undelegated(output: str) -> tuple[str, ...]:
    """What a run says that XNNPACK left to slower kernels; its names are not told.

    The tool has a line for each of a delegate that took all, some or none of the graph. Without any it knew no
    XNNPACK, and nothing shows that something was delegated.
    """
    if "XNNPACK delegate, and the model graph will be completely executed" in output:
        return ()
    counts = re.findall(
        r"Replacing (\d+) out of (\d+) node\(s\) with delegate \(TfLiteXNNPackDelegate\)", output
    )
    taken, all_ = (sum(int(count[i]) for count in counts) for i in (0, 1))
    if taken < all_:
        return (f"{all_ - taken} of {all_} operators",)
    if "XNNPACK delegate, and the model graph will be partially executed" in output:
        return ("some operators",)
    return () if taken else ("all operators",)


def last_lines(output: str) -> str:
    """The end of what was printed, in one line."""
    return (
        " | ".join([line.strip() for line in output.splitlines() if line.strip()][-LAST_OUTPUT_LINES:])
        or "nothing"
    )
