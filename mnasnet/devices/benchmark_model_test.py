"""Tests of reading what benchmark_model prints, on the lines of its versions."""

import pytest

from mnasnet.devices.benchmark_model import last_lines, parse_run, parse_undelegated

EXPLICITLY = "INFO: Explicitly applied XNNPACK delegate, and the model graph will be "
ALL = f"{EXPLICITLY}completely executed by the delegate.\n"
SOME = f"{EXPLICITLY}partially executed by the delegate w/ 22 delegate kernels.\n"
NONE = (
    "Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.\n"
)
WARM_UP = "INFO: count=3 first=2200 curr=2004 min=1995 max=2200 avg=2066.33 std=166\n\n"
END = (
    "\nINFO: Inference timings in us: Init: 924, First inference: 2200, Warmup (avg): 2066, "
    "Inference (avg): 141\n"
)


def replaced(taken: int, of: int, subgraph: int = 0) -> str:
    return (
        f"VERBOSE: Replacing {taken} out of {of} node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 19 "
        f"partitions for subgraph {subgraph}.\n"
    )


@pytest.mark.parametrize(
    ("summary", "ms", "statistic", "runs"),
    [
        (
            "INFO: count=25 first=1875 curr=1409 min=1400 max=1951 avg=1455.28 std=135 p5=1405 median=1412 p95=19",
            1.412,
            "median",
            25,
        ),
        ("count=50 first=1875 curr=1409 min=1400 max=1951 avg=1455.28 std=135", 1.45528, "mean", 50),
        ("INFO: count=50 first=124 curr=12 min=1 max=1951 avg=1.24027e+06 std=13", 1240.27, "mean", 50),
        ("INFO: count=3 curr=1409(all same)", 1.409, "mean", 3),
        ("INFO: count=1 curr=1409", 1.409, "mean", 1),
        ("INFO: count=1 curr=1409 p5=1409 median=1409 p95=1409", 1.409, "median", 1),
    ],
)
def test_the_last_summary_is_that_of_the_timed_runs(
    summary: str, ms: float, statistic: str, runs: int
) -> None:
    found = parse_run(ALL + WARM_UP + summary + "\n" + END)
    assert found is not None
    assert found.ms == pytest.approx(ms)
    assert (found.statistic, found.runs, found.not_delegated) == (statistic, runs, ())


WHOLE = (
    "INFO: count=50 first=1875 curr=1409 min=1400 max=1951 avg=1455.28 std=135 p5=1405 median=1412 p95=1875\n"
)


@pytest.mark.parametrize("length", range(len(WHOLE) + 1))
def test_output_that_was_cut_off_is_no_time(length: int) -> None:
    # Cut anywhere in the line, what is left of it might be read as another time.
    assert parse_run(ALL + WARM_UP + WHOLE[:length]) is None


@pytest.mark.parametrize(
    "summary", ["INFO: count=0\n", "INFO: count=4 curr=0(all same)\n", "ERROR: Failed to load model\n", ""]
)
def test_nothing_timed_is_no_time(summary: str) -> None:
    assert parse_run(summary + END) is None
    assert parse_run(summary) is None


@pytest.mark.parametrize(
    ("output", "left"),
    [
        (ALL, ()),
        (replaced(70, 70) + ALL, ()),
        (replaced(539, 548) + SOME, ("9 of 548 operators",)),
        (replaced(30, 30) + replaced(38, 40, subgraph=1) + SOME, ("2 of 70 operators",)),
        (SOME, ("some operators",)),
        (NONE, ("all operators",)),
        ("INFO: Loaded model a.tflite\n", ("all operators",)),
        # Versions that apply it by themselves and say so in their own words.
        (replaced(70, 70), ()),
    ],
)
def test_what_the_delegate_left(output: str, left: tuple[str, ...]) -> None:
    assert parse_undelegated(output) == left


def test_the_last_words_are_one_line() -> None:
    assert last_lines("a\nb\n\n  c \nd\n") == "b | c | d"
    assert last_lines("\n") == "nothing"
