"""Tests of the runner: its talk in a process of its own, its parts in this one."""

import ast
import json
import subprocess
import sys
import time
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from mnasnet.arch.records import Artifact
from mnasnet.devices import runner
from mnasnet.devices.runner import Clock, LoadedFile, choose_clock


def talk(*lines: str) -> list[dict[str, object]]:
    """The replies of a fresh runner to `lines`, after which its stdin ends."""
    done = subprocess.run(
        [sys.executable, "-P", runner.__file__],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(artifact: Artifact, reference: Artifact, *, candidate_first: bool = True) -> str:
    return json.dumps(
        {
            "do": "time",
            "candidate": str(artifact.path),
            "reference": str(reference.path),
            "candidate_first": candidate_first,
            "blocks": 2,
            "block_ms": 1,
        }
    )


def with_an_operator_of_its_own(source: Path, target: Path) -> None:
    """A copy of a model whose output goes through an operator that XNNPACK does not have."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOG_SOFTMAX
    code.version = 1
    model.operatorCodes.append(code)
    graph = model.subgraphs[0]
    output = schema.TensorT()
    last = graph.tensors[graph.outputs[0]]
    output.name, output.shape, output.type, output.buffer = b"log softmax", last.shape, last.type, 0
    graph.tensors.append(output)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = list(graph.outputs), [len(graph.tensors) - 1]
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    model.signatureDefs = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(builder.Output())


def test_it_stands_alone() -> None:
    tree = ast.parse(Path(runner.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert packages == {"numpy", "ai_edge_litert", "onnxruntime"}


def test_it_answers_each_line_and_ends_with_its_input(artifact: Artifact, reference: Artifact) -> None:
    about, timed = talk('{"do": "about"}', request(artifact, reference, candidate_first=False))
    assert about["threads"] == 1
    assert timed["not_delegated"] == []
    blocks = timed["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) == 2
    for block in blocks:
        for name in ("reference_ms", "candidate_ms"):
            assert len(block[name]) >= runner.FEWEST_BLOCK_RUNS
            assert all(time_ms > 0 for time_ms in block[name])


def test_it_outlives_bad_files_and_bad_requests(
    artifact: Artifact, reference: Artifact, broken: Artifact
) -> None:
    replies = talk(
        request(broken, reference),
        "no json",
        '{"do": "dance"}',
        '{"do": "time"}',
        request(artifact, reference),
    )
    assert ["error" in reply for reply in replies] == [True, True, True, True, False]
    assert "broken.tflite cannot be loaded" in str(replies[0]["error"])


def test_our_networks_run_on_xnnpack_alone(artifact: Artifact) -> None:
    assert LoadedFile(str(artifact.path), threads=1).not_delegated == []


def test_an_operator_outside_xnnpack_is_named(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    with_an_operator_of_its_own(artifact.path, path)
    assert LoadedFile(str(path), threads=1).not_delegated == ["LOG_SOFTMAX"]


def test_a_block_lasts_as_long_as_was_asked(artifact: Artifact) -> None:
    network = LoadedFile(str(artifact.path), threads=1)
    clock = Clock(name="wall time", now_ns=time.perf_counter_ns)
    assert len(network.time_ms(clock, 5)) == runner.FEWEST_BLOCK_RUNS  # the length of a run is not known yet
    assert len(network.time_ms(clock, 1000 * network.run_ms)) == pytest.approx(1000, abs=1)


def test_only_a_single_thread_is_timed_by_its_cpu_time() -> None:
    assert choose_clock(threads=2).name == "wall time"
    if sys.platform == "linux":
        assert choose_clock(threads=1).name == "CPU time"
