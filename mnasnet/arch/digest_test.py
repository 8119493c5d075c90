"""Tests of digests: what names a network today named it before."""

import json
from pathlib import Path

from mnasnet.arch.architecture import architecture_from_json

GOLDEN = Path(__file__).parent / "golden" / "digests.jsonl"
"""192 networks with their digests, made by version 0.1.0 (`golden/make.py`)."""


def test_networks_that_an_earlier_version_wrote_keep_their_digests() -> None:
    golden = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    found = [architecture_from_json(network["architecture"]).digest() for network in golden]
    assert found == [network["digest"] for network in golden]
