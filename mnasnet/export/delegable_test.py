"""Tests of delegable.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from mnasnet.arch.networks import MOBILENET_V3_SMALL
from mnasnet.export.delegable import make_delegable
from mnasnet.export.tflite import pack_model, write_tflite
from mnasnet.graph.weights import draw_weights

SMALL = replace(MOBILENET_V3_SMALL, image_size=32, classes=10)


def _run(content: bytes) -> Any:
    interpreter = Interpreter(model_content=content)
    image = np.random.default_rng(0).standard_normal((1, 32, 32, 3), dtype=np.float32)
    return interpreter.get_signature_runner("serving_default")(image=image)["logits"]


def test_a_file_without_hard_swish_computes_the_same(tmp_path: Path) -> None:
    weights = draw_weights(SMALL.lowered(), np.random.default_rng(0))
    content = write_tflite(SMALL, weights, tmp_path / "network.tflite").path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    make_delegable(model)
    changed = bytes(pack_model(model))
    used = {
        schema.ModelT.InitFromPackedBuf(changed).operatorCodes[node.opcodeIndex].builtinCode
        for node in model.subgraphs[0].operators
    }
    assert schema.BuiltinOperator.HARD_SWISH not in used
    np.testing.assert_allclose(_run(changed), _run(content), rtol=1e-4, atol=1e-5)
